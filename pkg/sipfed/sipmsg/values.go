package sipmsg

import (
	"bytes"
	"iter"
)

// Value is one element of a header field, with its place in Raw so that it can be
// cut out.
type Value struct {
	Text       []byte // without the white space around it
	Row        int    // index into Fields
	Start, End int    // of Text in Raw
}

// Each returns the elements of all rows of h in order. Rows of list fields are
// split at commas outside quotes and angle brackets (RFC 3261 §7.3.1), rows of
// other fields are one element. Empty elements are left out.
func (m *Message) Each(h Header) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		for row := range m.fields {
			if m.fields[row].Header == h && !m.eachInRow(row, yield) {
				return
			}
		}
	}
}

// Values appends the elements of all rows of h to dst.
func (m *Message) Values(h Header, dst []Value) []Value {
	for row := range m.fields {
		if m.fields[row].Header == h {
			m.eachInRow(row, func(v Value) bool { dst = append(dst, v); return true })
		}
	}
	return dst
}

// First returns the first element of h.
func (m *Message) First(h Header) (Value, bool) {
	for row := max(int(m.first[h])-1, 0); row < len(m.fields); row++ {
		if f := &m.fields[row]; f.Header == h {
			if v, _ := m.element(row, int(f.valueStart)); v.Text != nil {
				return v, true
			}
		}
	}
	return Value{}, false
}

// eachInRow yields the elements of one row; false when yield wants no more.
func (m *Message) eachInRow(row int, yield func(Value) bool) bool {
	for at := int(m.fields[row].valueStart); ; {
		v, next := m.element(row, at)
		if v.Text == nil {
			return true
		}
		if !yield(v) {
			return false
		}
		at = next
	}
}

// element returns the first element of a row that is not empty, from at on, and
// where the next one starts. Its Text is nil at the end of the row.
func (m *Message) element(row, at int) (v Value, next int) {
	f := &m.fields[row]
	end := int(f.valEnd)
	for at < end {
		stop := end
		if f.Header.List() {
			stop = elementEnd(m.Raw, at, end)
		}
		if from, to := trim(m.Raw, at, stop); from < to {
			return Value{m.Raw[from:to:to], row, from, to}, stop + 1
		}
		at = stop + 1
	}
	return Value{}, at
}

// elementEnd returns the first comma in b[i:end] outside quotes and angle
// brackets, or end.
func elementEnd(b []byte, i, end int) int {
	for ; i < end; i++ {
		switch b[i] {
		case '"':
			after := quotedEnd(b[:end], i)
			if after < 0 {
				return end
			}
			i = after - 1
		case '<':
			inside := bytes.IndexByte(b[i:end], '>')
			if inside < 0 {
				return end
			}
			i += inside
		case ',':
			return i
		}
	}
	return end
}
