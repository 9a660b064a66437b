package xmlstream

// ParseElement reads one element that stands alone, such as a stanza that was
// copied from a stream and waits. raw is the element from < to > and nothing
// else; space is the default namespace around it ("jabber:server" between
// servers), other prefixes must be declared inside of raw. The Element has the
// Kind Stanza and is part of raw. Whatever a Reader would refuse is an *Error.
func ParseElement(raw []byte, space string, lim Limits) (*Element, error) {
	if len(raw) > lim.Element {
		return nil, excess("more bytes than the limit of an element")
	}
	// The root is there, but no end tag can match it.
	t := &item{root: []byte{}}
	t.scope.surround(space)
	if len(raw) == 0 {
		return nil, malformed("an element is missing")
	}
	n, err := t.scan(raw, &lim)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, malformed("element without its end")
	case n < len(raw):
		return nil, &Error{BadFormat, "more than one element"}
	}
	return t.finish(raw), nil
}
