package sipmsg

import "slices"

// Splice makes a changed copy of a message. Edits are noted in any order and may
// not overlap; if they do, the one that starts first wins. Everything else of the
// message is copied as it is. A Splice is reused with Reset and does not allocate
// in steady state.
type Splice struct {
	m     *Message
	edits []edit
	drops []Value
	text  []byte
}

// edit replaces Raw[start:end] with text[from:to].
type edit struct{ start, end, from, to int }

// Reset forgets all edits and starts with m.
func (s *Splice) Reset(m *Message) {
	s.m, s.edits, s.drops, s.text = m, s.edits[:0], s.drops[:0], s.text[:0]
}

// Replace puts text in place of Raw[start:end].
func (s *Splice) Replace(start, end int, text ...string) {
	from := len(s.text)
	for _, t := range text {
		s.text = append(s.text, t...)
	}
	s.edits = append(s.edits, edit{start, end, from, len(s.text)})
}

// ReplaceBytes is Replace for bytes, which are copied.
func (s *Splice) ReplaceBytes(start, end int, text ...[]byte) {
	from := len(s.text)
	for _, t := range text {
		s.text = append(s.text, t...)
	}
	s.edits = append(s.edits, edit{start, end, from, len(s.text)})
}

// Insert puts text before Raw[at]. Texts inserted at one place keep the order of
// the calls and come before what replaces that place.
func (s *Splice) Insert(at int, text ...string) { s.Replace(at, at, text...) }

// InsertBytes is Insert for bytes, which are copied.
func (s *Splice) InsertBytes(at int, text ...[]byte) { s.ReplaceBytes(at, at, text...) }

// AppendHeader inserts a header line, which may come in parts and includes its
// CRLF, after the last row.
func (s *Splice) AppendHeader(line ...string) { s.Insert(s.m.HeadersEnd(), line...) }

// SetValue replaces the value of row f; its name and the white space around the
// value stay.
func (s *Splice) SetValue(f Field, value ...string) {
	s.Replace(f.ValueStart(), f.ValueEnd(), value...)
}

// DropRow removes row f with its continuation lines.
func (s *Splice) DropRow(f Field) { s.Replace(f.Start(), f.End()) }

// DropValue removes one element of a list, and the row when no other is left. A
// value of another message is ignored.
func (s *Splice) DropValue(v Value) {
	if v.Row >= 0 && v.Row < len(s.m.fields) {
		s.drops = append(s.drops, v)
	}
}

// AppendTo appends the changed message to dst.
func (s *Splice) AppendTo(dst []byte) []byte {
	s.settleDrops()
	slices.SortStableFunc(s.edits, func(a, b edit) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end
	})
	raw, at := s.m.Raw, 0
	for _, e := range s.edits {
		if e.start < at || e.end < e.start || e.end > len(raw) {
			continue
		}
		dst = append(dst, raw[at:e.start]...)
		dst = append(dst, s.text[e.from:e.to]...)
		at = e.end
	}
	return append(dst, raw[at:]...)
}

// settleDrops turns the dropped elements into edits, row by row.
func (s *Splice) settleDrops() {
	slices.SortFunc(s.drops, func(a, b Value) int {
		if a.Row != b.Row {
			return a.Row - b.Row
		}
		return a.Start - b.Start
	})
	for rest := s.drops; len(rest) > 0; {
		rest = s.settleRow(rest)
	}
	s.drops = s.drops[:0]
}

// settleRow cuts the elements of one row that lead drops, and returns the drops of
// other rows. With each element goes one comma: the one after it while nothing of
// the row is kept before it, else the one before it.
func (s *Splice) settleRow(drops []Value) []Value {
	row := drops[0].Row
	kept, cut := -1, -1 // end of what is kept; start of a cut that nothing kept precedes
	for at := int(s.m.fields[row].valueStart); ; {
		v, next := s.m.element(row, at)
		if v.Text == nil {
			break
		}
		dropped := false
		for len(drops) > 0 && drops[0].Row == row && drops[0].Start <= v.Start {
			dropped = dropped || drops[0].Start == v.Start
			drops = drops[1:]
		}
		switch {
		case dropped && kept >= 0:
			s.Replace(kept, v.End)
			kept = v.End
		case dropped && cut < 0:
			cut = v.Start
		case !dropped && kept < 0 && cut >= 0:
			s.Replace(cut, v.Start)
			kept = v.End
		case !dropped:
			kept = v.End
		}
		at = next
	}
	if kept < 0 && cut >= 0 {
		s.DropRow(s.m.fields[row])
	}
	for len(drops) > 0 && drops[0].Row == row {
		drops = drops[1:]
	}
	return drops
}
