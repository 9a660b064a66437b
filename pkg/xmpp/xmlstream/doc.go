// Package xmlstream cuts an XMPP stream into its top-level elements and never
// prints them again.
//
// A Reader yields the stream header, then each first-level element as the bytes
// it came in, then the closing tag. Everything in between is checked while it
// arrives: XML 1.0 and Namespaces in XML 1.0 without what RFC 6120 §11.1 forbids
// (comments, processing instructions, DTDs, entities beyond the five predefined),
// in UTF-8 only, within Limits. The first fault ends the stream: it is an *Error
// with the stream error condition to send (RFC 6120 §4.9.3).
//
//	e, err := reader.Next()
//	edit.Reset(e)
//	edit.Set("to", "bob@pool.example")
//	for _, ns := range e.Inherited {
//		if ns.Prefix != "" {
//			edit.Declare(ns)
//		}
//	}
//	out = edit.AppendTo(out)
//
// An element may use prefixes that only the stream header declares; Inherited
// names them, because the element says nothing on another stream without them
// (RFC 6120 §4.8.5). Prefixes inside of text and attribute values are not seen.
//
// What is inside of an element is looked at only on demand, by Child, Children, At
// and Text; ParseElement reads a stanza that was kept.
//
// What a namespace, an attribute or an element means is left to the caller.
package xmlstream
