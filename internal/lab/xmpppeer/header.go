package xmpppeer

import (
	"maps"
	"slices"
	"strings"
)

// Header is a stream header (RFC 6120 §4.7), one that came in or one to send.
type Header struct {
	From, To string
	ID       string            // only in the header of the receiving side
	Version  string            // when sending, "" means 1.0
	Lang     string            // xml:lang
	Spaces   map[string]string // declared namespaces by prefix, "" for the default; when sending, in addition to the usual three
	Raw      string            // the exact bytes; when sending, sent as they are instead of everything above
}

// String returns what is sent for h: Raw if there is one, or a header with the
// usual namespaces (content, stream, dialback) and those of h.Spaces.
func (h Header) String() string {
	if h.Raw != "" {
		return h.Raw
	}
	version := h.Version
	if version == "" {
		version = "1.0"
	}
	spaces := map[string]string{"": NSServer, "stream": NSStreams, "db": NSDialback}
	maps.Copy(spaces, h.Spaces)
	var b strings.Builder
	b.WriteString("<?xml version='1.0'?><stream:stream")
	for _, prefix := range slices.Sorted(maps.Keys(spaces)) {
		name := "xmlns:" + prefix
		if prefix == "" {
			name = "xmlns"
		}
		b.WriteString(attributes(name, spaces[prefix]))
	}
	b.WriteString(attributes("from", h.From, "to", h.To, "id", h.ID, "xml:lang", h.Lang, "version", version) + ">")
	return b.String()
}

func headerOf(e *Element, raw string) Header {
	return Header{
		From: e.Attr("from"), To: e.Attr("to"), ID: e.Attr("id"), Version: e.Attr("version"),
		Lang: e.Lang(), Spaces: e.Declared, Raw: raw,
	}
}

// SpeaksDialback says whether the header declares the dialback namespace, which is
// how dialback is announced traditionally (XEP-0220 §2.4).
func (h Header) SpeaksDialback() bool {
	for _, space := range h.Spaces {
		if space == NSDialback {
			return true
		}
	}
	return false
}
