package wire

import (
	"bytes"
	"strings"
)

// BodyBytes is the length of every message's body.
const BodyBytes = 200

// mark stands before the number of a message, and nowhere else in it: whoever
// counts messages counts marks, whatever a server did to the rest.
const (
	mark   = '#'
	digits = 8
)

// Form is a message with a place for its number.
type Form struct{ head, tail string }

// NewForm makes a message of about 390 bytes with nothing but a body, which is the
// least work for a server that builds a tree of every element.
func NewForm(from, to string) Form {
	return Form{
		head: "<message from='" + from + "' to='" + to + "' type='chat' xml:lang='en' id='6f2bd9a4-3f71-4c55-8a0e-52d1c7a9be03.9d1f0c62-77aa-4be1'><body>#",
		tail: strings.Repeat(" lunch?", BodyBytes)[:BodyBytes-digits-1] + "</body></message>",
	}
}

// Append appends message n, of which the last eight digits count.
func (f Form) Append(dst []byte, n uint32) []byte {
	dst = append(dst, f.head...)
	var number [digits]byte
	for i := len(number) - 1; i >= 0; i-- {
		number[i] = byte('0' + n%10)
		n /= 10
	}
	return append(append(dst, number[:]...), f.tail...)
}

// Scan calls each for the number of every message in b, and returns the end of b
// that has to be scanned again with what follows.
func Scan(b []byte, each func(n uint32)) (rest []byte) {
	for {
		i := bytes.IndexByte(b, mark)
		if i < 0 {
			return nil
		}
		if b = b[i:]; len(b) <= digits {
			return b
		}
		var n uint32
		for _, c := range b[1 : 1+digits] {
			n = n*10 + uint32(c-'0')
		}
		each(n)
		b = b[1+digits:]
	}
}
