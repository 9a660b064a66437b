package sipmsg

import "iter"

// Value is one element of a header field, with its place in Raw so that it can be
// cut out.
type Value struct {
	Text       []byte // without the white space around it
	Row        int    // index into Fields
	Start, End int    // of Text in Raw
	First      bool   // nothing of the row stands before it
	Last       bool   // nothing of the row stands after it
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
func (m *Message) First(h Header) (first Value, ok bool) {
	for row := range m.fields {
		if m.fields[row].Header != h {
			continue
		}
		m.eachInRow(row, func(v Value) bool { first, ok = v, true; return false })
		if ok {
			break
		}
	}
	return first, ok
}

// eachInRow yields the elements of one row; false when yield wants no more.
func (m *Message) eachInRow(row int, yield func(Value) bool) bool {
	f := &m.fields[row]
	i, end := int(f.valueStart), int(f.valEnd)
	if !f.Header.List() {
		return i == end || yield(Value{m.Raw[i:end:end], row, i, end, true, true})
	}
	for at := i; at <= end; {
		comma := elementEnd(m.Raw, at, end)
		start, stop := trim(m.Raw, at, comma)
		if start < stop {
			v := Value{m.Raw[start:stop:stop], row, start, stop, at == i, comma == end}
			if !yield(v) {
				return false
			}
		}
		at = comma + 1
	}
	return true
}

// elementEnd returns the first comma in b[i:end] outside quotes and angle
// brackets, or end.
func elementEnd(b []byte, i, end int) int {
	angle := false
	for ; i < end; i++ {
		switch b[i] {
		case '"':
			if angle {
				break
			}
			close := quotedEnd(b[:end], i)
			if close < 0 {
				return end
			}
			i = close - 1
		case '<':
			angle = true
		case '>':
			angle = false
		case ',':
			if !angle {
				return i
			}
		}
	}
	return end
}
