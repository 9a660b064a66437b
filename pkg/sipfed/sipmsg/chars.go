package sipmsg

// Character classes of RFC 3261 §25.1, as bits.
const (
	classToken  uint8 = 1 << iota // token
	classParam                    // unquoted parameter values: token, host, and what peers really send
	classUser                     // user and password of a SIP URI
	classHost                     // host names; the underscore is no rule of the RFC but of real networks
	classURI                      // visible ASCII without the delimiters of name-addr
	classScheme                   // scheme, after its first letter
	classAlpha
	classDigit
)

// classes is a constant table.
var classes = classify()

func classify() (t [256]uint8) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = classParam | classUser | classURI
	}
	mark := func(class uint8, set string) {
		for i := range len(set) {
			t[set[i]] |= class
		}
	}
	unmark := func(class uint8, set string) {
		for i := range len(set) {
			t[set[i]] &^= class
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	const digits = "0123456789"
	mark(classToken, letters+digits+"-.!%*_+`'~")
	mark(classHost, letters+digits+"-._")
	mark(classScheme, letters+digits+"+-.")
	mark(classAlpha, letters)
	mark(classDigit, digits)
	unmark(classParam, `"<>;,`)
	unmark(classUser, `"<>@:`)
	unmark(classURI, `"<>`)
	return t
}

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

// run returns the end of the run of class that starts at i.
func run(b []byte, i int, class uint8) int {
	for i < len(b) && classes[b[i]]&class != 0 {
		i++
	}
	return i
}

// all reports whether b is not empty and wholly of class.
func all(b []byte, class uint8) bool {
	return len(b) > 0 && run(b, 0, class) == len(b)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// skipLWS returns the end of the linear white space at i: blanks and folds, a
// fold being CRLF before a blank (§7.3.1).
func skipLWS(b []byte, i int) int {
	for i < len(b) {
		switch {
		case isBlank(b[i]):
			i++
		case b[i] == '\r' && i+2 < len(b) && b[i+1] == '\n' && isBlank(b[i+2]):
			i += 3
		default:
			return i
		}
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// trim cuts white space and folds off both ends of b[start:end]. Nothing but white
// space leaves an empty stretch at start.
func trim(b []byte, start, end int) (int, int) {
	for end > start && isSpace(b[end-1]) {
		end--
	}
	for start < end && isSpace(b[start]) {
		start++
	}
	return start, end
}

// equalFold compares without regard to ASCII case; lower is in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// number reads decimal digits, at least one, and nothing else. Values above the
// bound are refused, whatever their length.
func number(b []byte, bound uint64) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n > bound {
			return 0, false
		}
	}
	return n, true
}

// quotedEnd returns the offset after the quoted-string that opens at i, or -1
// when it does not close. Escapes count, whatever is escaped (§25.1).
func quotedEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}
