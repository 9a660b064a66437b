package xmlstream

// Limits bounds what a Reader buffers and accepts. All of them must be positive;
// beyond any of them is a PolicyViolation.
type Limits struct {
	Header     int // bytes of the stream header's tag, and of the XML declaration
	Element    int // bytes of a first-level element from < to >; at least 10000 (RFC 6120 §13.12)
	Depth      int // nested elements, the first-level element included
	Attributes int // of one tag, namespace declarations included
	Namespaces int // declarations in scope at one place, those of the header included
}

// DefaultLimits are generous for real traffic: avatars and forwarded archives
// stay below them.
func DefaultLimits() Limits {
	return Limits{Header: 16 << 10, Element: 512 << 10, Depth: 128, Attributes: 128, Namespaces: 128}
}

// SetLimits changes the limits for what comes next, such as after the peer has been
// authenticated.
func (r *Reader) SetLimits(lim Limits) { r.lim = lim }
