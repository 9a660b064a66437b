package xmpppeer

import "strings"

// Stanza is a stanza to send. Empty fields are left out.
type Stanza struct {
	Kind     string // message, presence or iq; "" means message
	Type     string
	From, To string
	ID       string
	Lang     string // xml:lang
	Payload  string // XML inside it, as it is; its default namespace is jabber:server
}

// String returns the XML.
func (st Stanza) String() string {
	kind := st.Kind
	if kind == "" {
		kind = "message"
	}
	return "<" + kind + attributes("type", st.Type, "from", st.From, "to", st.To, "id", st.ID, "xml:lang", st.Lang) +
		">" + st.Payload + "</" + kind + ">"
}

// Body returns the payload of a plain text message.
func Body(text string) string { return "<body>" + Escape(text) + "</body>" }

// Fault returns the payload of an error stanza (RFC 6120 §8.3.2): kind is auth,
// cancel, continue, modify or wait.
func Fault(kind, condition string) string {
	return "<error type='" + kind + "'><" + condition + " xmlns='" + NSStanzaErrors + "'/></error>"
}

// isStanza says whether e is one of the three kinds.
func isStanza(e *Element) bool {
	return e.Space == NSServer && (e.Name == "message" || e.Name == "presence" || e.Name == "iq")
}

// answerTo returns the answer to a stanza: same kind and id, addresses swapped.
func answerTo(e *Element, typ, payload string) Stanza {
	return Stanza{Kind: e.Name, Type: typ, From: e.Attr("to"), To: e.Attr("from"), ID: e.Attr("id"), Payload: payload}
}

// mayBeRefused says whether an error is a lawful answer to e (RFC 6120 §8.3.1):
// errors and results are never answered, and presence only if it asks for something.
func mayBeRefused(e *Element) bool {
	typ := e.Attr("type")
	switch e.Name {
	case "iq":
		return typ == "get" || typ == "set"
	case "presence":
		return strings.HasPrefix(typ, "subscribe") || typ == "probe"
	}
	return typ != "error"
}
