package xmpppeer

import (
	"encoding/xml"
	"slices"
	"strings"
)

// Namespaces of what a server-to-server stream carries.
const (
	NSStreams      = "http://etherx.jabber.org/streams"
	NSServer       = "jabber:server"
	NSStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	NSStanzaErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"
	NSTLS          = "urn:ietf:params:xml:ns:xmpp-tls"
	NSSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"

	NSDialback        = "jabber:server:dialback"     // XEP-0220
	NSDialbackFeature = "urn:xmpp:features:dialback" // XEP-0220 §2.4
	NSBidi            = "urn:xmpp:bidi"              // XEP-0288
	NSBidiFeature     = "urn:xmpp:features:bidi"     // XEP-0288
	NSManagement      = "urn:xmpp:sm:3"              // XEP-0198
	NSLimits          = "urn:xmpp:stream-limits:0"   // XEP-0478
	NSPing            = "urn:xmpp:ping"              // XEP-0199
	NSErrors          = "urn:xmpp:errors"            // XEP-0182
	nsXML             = "http://www.w3.org/XML/1998/namespace"
)

// Escape returns text in a form that may stand in an element and, within either
// kind of quotes, in an attribute.
func Escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// attributes prints name and value in turns; those without value are left out.
func attributes(pairs ...string) string {
	var b strings.Builder
	for pair := range slices.Chunk(pairs, 2) {
		if name, value := pair[0], pair[1]; value != "" {
			b.WriteString(" " + name + "='" + Escape(value) + "'")
		}
	}
	return b.String()
}

// bare cuts the resource off an address.
func bare(address string) string {
	address, _, _ = strings.Cut(address, "/")
	return strings.ToLower(address)
}

// domainOf returns the domain of an address in lower case.
func domainOf(address string) string {
	address = bare(address)
	if i := strings.IndexByte(address, '@'); i >= 0 {
		return address[i+1:]
	}
	return address
}
