package sipmsg

// Address is the value of a field such as From, To or P-Asserted-Identity:
// name-addr or addr-spec, with header parameters (RFC 3261 §20, RFC 8217).
type Address struct {
	// Display is the display name as written, quotes included; empty if none.
	Display []byte
	// URI is what stands between the angle brackets, or the bare addr-spec.
	URI []byte
	// Params are the header parameters with their leading semicolon.
	Params []byte
}

// ParseAddress reads one address. The URI is checked for sip and sips, other
// schemes only have to be free of white space. RFC 8217 §4: without angle
// brackets the URI ends at the first semicolon and holds neither comma nor
// question mark.
func ParseAddress(v []byte) (Address, error) {
	var a Address
	if err := a.parse(v); err != nil {
		return Address{}, err
	}
	return a, nil
}

func (a *Address) parse(v []byte) error {
	start, end := trim(v, 0, len(v))
	v = v[start:end]
	i, err := a.cutDisplay(v)
	if err != nil {
		return err
	}
	if i < len(v) && v[i] == '<' {
		i, err = a.cutBracketed(v, i+1)
	} else {
		i, err = a.cutBare(v)
	}
	if err != nil {
		return err
	}
	var u URI
	if err = u.parse(a.URI); err != nil {
		return err
	}
	i = skipLWS(v, i)
	a.Params = v[i:len(v):len(v)]
	_, end, err = readParams(v, i, "tag")
	if err == nil && end < len(v) {
		err = grammarError("after the URI only parameters may follow")
	}
	return err
}

// cutDisplay reads the display name and returns the offset of the angle bracket.
// Without a bracket there is no display name and the offset is 0.
func (a *Address) cutDisplay(v []byte) (int, error) {
	if len(v) > 0 && v[0] == '"' {
		end := quotedEnd(v, 0)
		if end < 0 || !isQuotedText(v[:end]) {
			return 0, grammarError("the quoted display name does not close, or holds control characters")
		}
		open := skipLWS(v, end)
		if open >= len(v) || v[open] != '<' {
			return 0, grammarError("a display name must be followed by <URI>")
		}
		a.Display = v[:end:end]
		return open, nil
	}
	end, i := 0, 0
	for {
		word := run(v, i, classToken)
		if word == i {
			break
		}
		end = word
		i = skipLWS(v, word)
	}
	if i < len(v) && v[i] == '<' {
		a.Display = v[:end:end]
		return i, nil
	}
	return 0, nil
}

// isQuotedText checks the inside of a quoted-string (§25.1): no control
// characters unless escaped, line ends only as folds.
func isQuotedText(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\':
			if i++; i < len(b) && (b[i] == '\r' || b[i] == '\n') {
				return false
			}
		case c == '\r':
			next := skipLWS(b, i)
			if next == i {
				return false
			}
			i = next - 1
		case c < ' ' && c != '\t', c == 0x7f:
			return false
		}
	}
	return true
}

func (a *Address) cutBracketed(v []byte, i int) (int, error) {
	end := run(v, i, classURI)
	if end >= len(v) || v[end] != '>' {
		return 0, grammarError("the URI must stand between < and > without white space")
	}
	a.URI = v[i:end:end]
	return end + 1, nil
}

func (a *Address) cutBare(v []byte) (int, error) {
	i := 0
	for ; i < len(v) && v[i] != ';' && is(v[i], classURI); i++ {
		if v[i] == ',' || v[i] == '?' {
			return 0, grammarError("a URI with comma or question mark must stand in < and >")
		}
	}
	a.URI = v[:i:i]
	return i, nil
}

// Tag returns the tag parameter; nil if there is none.
func (a Address) Tag() []byte {
	tag, _ := findParam(a.Params, "tag")
	return tag
}

// Param returns the value of a header parameter; name is in lower case. The value
// of a parameter without an equals sign is nil, a quoted one keeps its quotes.
func (a Address) Param(name string) (value []byte, ok bool) { return findParam(a.Params, name) }
