package sipmsg

import (
	"bytes"
	"iter"
)

// Realms returns the realms that a value of authentication names (Authorization,
// WWW-Authenticate, Authentication-Info and their like), without quotes and
// escapes. Nothing else of the value has to be well-formed: whoever asks wants to
// find a realm of theirs, however it is written.
func Realms(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 0; i < len(v); {
			value, next := realmAt(v, i)
			if value != nil && !yield(unquote(value)) {
				return
			}
			i = next
		}
	}
}

// realmAt reads what begins at i: a quoted string or a separator, which say
// nothing, a word, or `realm=` with its value.
func realmAt(v []byte, i int) (value []byte, next int) {
	if v[i] == '"' {
		return nil, afterQuoted(v, i)
	}
	end := run(v, i, classToken)
	if end == i {
		return nil, i + 1
	}
	at := skipLWS(v, end)
	if !equalFold(v[i:end], "realm") || at >= len(v) || v[at] != '=' {
		return nil, end
	}
	at = skipLWS(v, at+1)
	if at < len(v) && v[at] == '"' {
		end = afterQuoted(v, at)
	} else {
		end = bareEnd(v, at)
	}
	return v[at:end:end], end
}

// afterQuoted returns where a quoted string ends; one that does not close ends
// with the value.
func afterQuoted(v []byte, i int) int {
	if end := quotedEnd(v, i); end > i {
		return end
	}
	return len(v)
}

// bareEnd returns where a value without quotes ends.
func bareEnd(v []byte, i int) int {
	if n := bytes.IndexAny(v[i:], ", \t\r\n"); n >= 0 {
		return i + n
	}
	return len(v)
}

// unquote takes quotes and escapes off (RFC 3261 §25.1, quoted-string). Without
// any, the result is v.
func unquote(v []byte) []byte {
	if len(v) == 0 || v[0] != '"' {
		return v
	}
	v = bytes.TrimSuffix(v[1:], []byte(`"`))
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	plain := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		plain = append(plain, v[i])
	}
	return plain
}
