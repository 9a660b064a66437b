package xmpp

import (
	"strings"
	"testing"

	"edged/internal/lab/xmpppeer"

	"github.com/google/go-cmp/cmp"
)

// rawHeader declares prefixes of its own beside the usual ones.
const rawHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'" +
	" xmlns:x='urn:x' xmlns:y='urn:y' from='jabber.example' to='contoso.com' version='1.0'>"

// prefixFree leaves the content namespace to the stanzas (RFC 6120 §4.8.2).
const prefixFree = "<stream xmlns='http://etherx.jabber.org/streams' from='jabber.example' to='contoso.com' version='1.0'>"

const toBob = "<message from='alice@jabber.example' to='bob@contoso.com' "

// TestPrefixRelay: a stanza means the same on the next stream, whatever prefixes it
// leans on, and what is not well-formed ends the stream it came on (RFC 6120 §4.8, §11).
func TestPrefixRelay(t *testing.T) {
	good := map[string]struct{ header, stanza string }{
		"plain":                  {rawHeader, toBob + "id='1'><body>hello</body></message>"},
		"header's prefix":        {rawHeader, toBob + "><x:foo><x:bar/></x:foo></message>"},
		"attribute":              {rawHeader, toBob + "x:attr='1'><body y:b='2' b='3'>t</body></message>"},
		"only deep inside":       {rawHeader, toBob + "><a xmlns='urn:a'><b><c y:d='1'/></b></a></message>"},
		"redeclared inside":      {rawHeader, toBob + "><x:a xmlns:x='urn:other'/><x:b/></message>"},
		"redeclared on the root": {rawHeader, toBob + "xmlns:x='urn:other'><x:a/></message>"},
		"xmlns empty":            {rawHeader, toBob + "><a xmlns='urn:a'><b xmlns=''><x:c/></b></a></message>"},
		"forwarded client":       {rawHeader, toBob + "><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><x:y/></message></forwarded></message>"},
		"stream prefix":          {rawHeader, toBob + "><stream:odd/></message>"},
		"xml prefix":             {rawHeader, toBob + "xml:lang='de'><body xml:lang='fr'>t</body></message>"},
		"text":                   {rawHeader, toBob + "><body>&#13;\n<![CDATA[<&]]>&apos;&#x1F600;&quot;</body></message>"},
		"quotes":                 {rawHeader, strings.ReplaceAll(toBob, "'", "\"") + "x:a=\"'\" ><x:b\n/></message\n>"},
		"prefix-free":            {prefixFree, "<message xmlns='jabber:server' from='alice@jabber.example' to='bob@contoso.com'><body>hi</body></message>"},
	}
	b := newBed(t)
	user := b.pool.User(bob)
	cert := b.cert(theirs)
	open := func(b *bed, header string) *xmpppeer.Stream {
		b.t.Helper()
		return b.dialWith(xmpppeer.DialOptions{From: theirs, To: ours, Certificate: cert, Header: header})
	}
	for name, tt := range good {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			want, err := xmpppeer.Parse(tt.stanza, map[string]string{
				"": xmpppeer.NSServer, "x": "urn:x", "y": "urn:y", "stream": xmpppeer.NSStreams,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := open(b, tt.header).Send(tt.stanza); err != nil {
				t.Fatal(err)
			}
			got := b.receive(user)
			if diff := cmp.Diff(want.Canonical(), got.Canonical()); diff != "" {
				t.Errorf("changed on its way (-sent +received):\n%s\n%s", diff, got.Raw)
			}
		})
	}
	for name, tt := range malformed() {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := open(b, rawHeader)
			if err := s.Send(tt.stanza); err != nil {
				t.Fatal(err)
			}
			b.ended(s, tt.condition)
		})
	}
	last := open(b, rawHeader)
	_ = last.Send(toBob + "><body>the next one</body></message>")
	if got := b.receive(user); got.Body() != "the next one" {
		t.Errorf("something that is not well-formed was relayed: %s", got)
	}
}

type badInput struct{ stanza, condition string }

// malformed is what must never cross.
func malformed() map[string]badInput {
	return map[string]badInput{
		"undeclared prefix":           {toBob + "><z:foo/></message>", "not-well-formed"},
		"undeclared attribute prefix": {toBob + "><foo z:a='1'/></message>", "not-well-formed"},
		"duplicate attribute":         {toBob + "id='1' id='2'/>", "not-well-formed"},
		"duplicate by namespace":      {toBob + "><a xmlns:p='urn:x' p:a='1' x:a='2'/></message>", "not-well-formed"},
		"prefix bound to nothing":     {toBob + "xmlns:p=''/>", "not-well-formed"},
		"xmlns rebound":               {toBob + "xmlns:xmlns='urn:a'/>", "not-well-formed"},
		"mismatched tags":             {toBob + "><a></b></message>", "not-well-formed"},
		"comment":                     {toBob + "><!-- --></message>", "restricted-xml"},
		"processing instruction":      {toBob + "><?php ?></message>", "restricted-xml"},
		"entity":                      {toBob + ">&lol;</message>", "restricted-xml"},
		"DTD":                         {"<!DOCTYPE a>", "restricted-xml"},
		"control character":           {toBob + ">&#1;</message>", "not-well-formed"},
		"client namespace":            {"<message xmlns='jabber:client' from='alice@jabber.example' to='bob@contoso.com'/>", "invalid-namespace"},
		"foreign namespace":           {"<message xmlns='urn:a' from='alice@jabber.example' to='bob@contoso.com'/>", "unsupported-stanza-type"},
		"prefixed stanza":             {"<s:message xmlns:s='jabber:server' from='alice@jabber.example' to='bob@contoso.com'/>", "bad-namespace-prefix"},
		"unknown stanza":              {"<massage from='alice@jabber.example' to='bob@contoso.com'/>", "unsupported-stanza-type"},
		"text between stanzas":        {"hello", "bad-format"},
	}
}
