package xmlstream

import (
	"fmt"
	"strings"
)

// choices makes a choice of each byte, and the first possible one when there are
// none left.
func choices(b []byte) func(n int) int {
	return func(n int) int {
		if len(b) == 0 {
			return 0
		}
		c := int(b[0]) % n
		b = b[1:]
		return c
	}
}

// grower writes XML; pick(n) makes each choice among n.
type grower struct {
	pick func(n int) int
	b    strings.Builder
	// scope are the prefixes that are declared here, "" among them or not. Seldom
	// another is used.
	scope []string
}

// grow writes a stream of up to four stanzas on a line each, and returns it and
// them.
func grow(pick func(n int) int) (stream string, stanzas []string) {
	g := &grower{pick: pick}
	g.b.WriteString("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'")
	if pick(8) > 0 {
		g.b.WriteString(" xmlns='jabber:server'")
	}
	g.scope = []string{"", "stream", "xml"}
	g.declare()
	g.attributes()
	g.b.WriteString(">\n")
	for range pick(4) {
		before := g.b.Len()
		g.element(pick(5))
		stanzas = append(stanzas, g.b.String()[before:])
		g.b.WriteByte('\n')
	}
	g.b.WriteString("</stream:stream>")
	return g.b.String(), stanzas
}

func (g *grower) one(of ...string) string { return of[g.pick(len(of))] }

// declare writes declarations.
func (g *grower) declare() {
	for range g.pick(3) {
		prefix := g.one("", "x", "y", "ä", "x", "y", "", "xml", "xmlns")
		uri := g.one("urn:x", "urn:y", "jabber:server", "urn:&#x78;", "urn:&quot;&lt;'>&amp;", "", "urn: a\tb", "ü", xmlSpace, xmlnsSpace)
		if g.pick(8) > 0 && (prefix == "xmlns" || (prefix == "xml") != (uri == xmlSpace) || uri == xmlnsSpace || prefix != "" && uri == "") {
			continue
		}
		if prefix == "" {
			g.attribute("xmlns", uri)
		} else {
			g.attribute("xmlns:"+prefix, uri)
		}
		g.scope = append(g.scope, prefix)
	}
}

func (g *grower) attribute(name, value string) {
	quote := g.one("'", `"`)
	fmt.Fprintf(&g.b, "%s%s%s=%s%s", g.one(" ", "  ", "\t"), name, g.one("", " "), g.one("", " "), quote)
	g.b.WriteString(strings.ReplaceAll(value, quote, "&#39;") + quote)
}

// prefix writes a prefix with its colon.
func (g *grower) prefix() string {
	p := g.one(g.scope...)
	if g.pick(64) == 63 {
		p = g.one("x", "z", ":", "0")
	}
	if p == "" {
		return ""
	}
	return p + ":"
}

func (g *grower) attributes() {
	for range g.pick(3) {
		name := g.prefix() + g.one("to", "from", "a", "lang", "b")
		g.attribute(name, g.one("", "a@b", "&apos;&lt;&amp;>", "ä", "</a>", "x y", "]]>"))
	}
}

// element writes an element with others in it, at most depth deep.
func (g *grower) element(depth int) {
	outside := len(g.scope)
	mark := g.b.Len()
	// The prefix of the tag may be declared in the tag, so that is written first.
	g.declare()
	g.attributes()
	inner := g.b.String()[mark:]
	name := g.prefix() + g.one("message", "a", "body", "b-c", "_.1")
	g.rewind(mark)
	g.b.WriteString("<" + name + inner + g.one("", " "))
	if depth == 0 || g.pick(4) == 3 {
		g.b.WriteString("/>")
	} else {
		g.b.WriteString(">")
		g.content(depth)
		if g.pick(64) == 63 {
			name = "a"
		}
		g.b.WriteString("</" + name + g.one("", " ") + ">")
	}
	g.scope = g.scope[:outside]
}

// rewind takes back what was written after the first n bytes.
func (g *grower) rewind(n int) {
	s := g.b.String()[:n]
	g.b.Reset()
	g.b.WriteString(s)
}

func (g *grower) content(depth int) {
	for range g.pick(4) {
		if g.pick(2) == 0 {
			g.element(depth - 1)
			continue
		}
		g.b.WriteString(g.one("text", "&lt;a&gt;", "<![CDATA[<a>&b;]]>", "]] >", "\U0001F600&#x1F600;", "'\"", "&amp;amp;"))
		if g.pick(64) == 63 {
			g.b.WriteString(g.one("<!-- -->", "&", "]]>", "<?a?>", "\x01", "\xff", "&#0;", "<"))
		}
	}
}
