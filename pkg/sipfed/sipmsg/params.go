package sipmsg

// param is one parameter of a header field: `;name`, `;name=token` or
// `;name="quoted"` with white space anywhere between (RFC 3261 §25.1,
// generic-param).
type param struct {
	name, value []byte // value is nil without an equals sign, quotes included
}

// nextParam reads the parameter whose semicolon is at i. It returns the offset
// after it and its trailing white space.
func nextParam(b []byte, i int) (p param, next int, err error) {
	i = skipLWS(b, i+1)
	end := run(b, i, classToken)
	if end == i {
		return p, i, grammarError("a parameter without a name")
	}
	p.name = b[i:end:end]
	i = skipLWS(b, end)
	if i >= len(b) || b[i] != '=' {
		return p, i, nil
	}
	i = skipLWS(b, i+1)
	if i < len(b) && b[i] == '"' {
		if end = quotedEnd(b, i); end < 0 || !isQuotedText(b[i:end]) {
			return p, i, grammarError("a quoted parameter value does not close, or holds control characters")
		}
	} else {
		end = run(b, i, classParam)
	}
	p.value = b[i:end:end]
	return p, skipLWS(b, end), nil
}

// readParams reads parameters from i on and returns where they end. The one called
// once must not occur twice or without a value: it identifies a dialog or a
// transaction, and two readers could choose differently (§7.3.1). Its value is
// returned.
func readParams(b []byte, i int, once string) (value []byte, end int, err error) {
	for i < len(b) && b[i] == ';' {
		p, next, err := nextParam(b, i)
		if err != nil {
			return nil, i, err
		}
		if equalFold(p.name, once) {
			if value != nil || len(p.value) == 0 {
				return nil, i, grammarError("the parameter " + once + " must have a value and occur once")
			}
			value = p.value
		}
		i = next
	}
	return value, i, nil
}

// findParam returns the value of the first parameter called name, in lower case.
// A quoted value keeps its quotes.
func findParam(b []byte, name string) (value []byte, ok bool) {
	for i := 0; i < len(b) && b[i] == ';'; {
		p, next, err := nextParam(b, i)
		if err != nil {
			return nil, false
		}
		if equalFold(p.name, name) {
			return p.value, true
		}
		i = next
	}
	return nil, false
}

// paramSpan is where the first parameter called name, in lower case, stands in b
// with its value; 0, 0 if it is not there.
func paramSpan(b []byte, name string) (start, end int) {
	for i := 0; i < len(b) && b[i] == ';'; {
		p, next, err := nextParam(b, i)
		if err != nil {
			return 0, 0
		}
		if equalFold(p.name, name) {
			return trim(b, i+1, next)
		}
		i = next
	}
	return 0, 0
}
