package sipmsg

import "slices"

// Parse reads raw as exactly one message, which keeps the slice. The errors are
// those of Reader.Next; bytes after the body, or missing ones, are a FramingError.
func Parse(raw []byte, lim Limits) (*Message, error) {
	m := new(Message)
	m.reset()
	var s section
	done, err := s.scan(m, raw, &lim)
	if err == nil && !done {
		err = s.fail(m, raw, len(raw), 400, "the header section must end with an empty line")
	}
	if err != nil {
		return m.broken(raw, &lim), err
	}
	m.indexRows(raw)
	body, err := m.bodyLength(raw, &lim)
	if head := m.headers + 2; err == nil && head+body != len(raw) {
		err = m.framing(400, "the number must be the length of the body")
	}
	if err != nil {
		return m.broken(raw, &lim), err
	}
	m.Raw = slices.Clip(raw)
	if bad := m.finish(&lim); bad != nil {
		return m, bad
	}
	return m, nil
}

// reset makes m an empty message that keeps its room for rows and bytes.
func (m *Message) reset() {
	if m.fields == nil {
		m.fields = m.inline[:0]
	}
	m.Raw, m.Body, m.Method, m.Status, m.Source, m.Number = m.Raw[:0], nil, "", 0, nil, 0
	m.index, m.parsed, m.fields = index{}, parsed{}, m.fields[:0]
}

// broken makes what an answer needs out of a message with a FramingError; nil if
// it cannot be answered. b starts with the message.
func (m *Message) broken(b []byte, lim *Limits) *Message {
	if m.headers == 0 {
		m.indexRows(b)
	}
	if !m.Answerable() {
		return nil
	}
	m.Raw = append(m.Raw[:0], b[:m.fields[len(m.fields)-1].end]...)
	m.headers = len(m.Raw)
	_ = m.validate(lim)
	return m
}

// indexRows names the rows, finds their values and remembers where each name occurs
// first.
func (m *Message) indexRows(b []byte) {
	for i := range m.fields {
		f := &m.fields[i]
		f.index(b[f.start:f.end])
		m.nameless = m.nameless || f.nameEnd == f.start
		if m.first[f.Header] == 0 {
			m.first[f.Header] = uint16(i + 1) // maxFields bounds it
		} else {
			m.repeated.add(f.Header)
		}
	}
}

// index finds name and value in row. A row without name and colon keeps an empty
// name.
func (f *Field) index(row []byte) {
	name := run(row, 0, classToken)
	colon := name
	for isBlank(row[colon]) {
		colon++
	}
	if name == 0 || row[colon] != ':' {
		f.nameEnd, f.valueStart, f.valEnd = f.start, f.start, f.end-2
		return
	}
	start, end := trim(row, colon+1, len(row)-2)
	f.Header = identify(row[:name])
	f.nameEnd = f.start + uint32(name)     //nolint:gosec // bounded by Limits
	f.valueStart = f.start + uint32(start) //nolint:gosec // bounded by Limits
	f.valEnd = f.start + uint32(end)       //nolint:gosec // bounded by Limits
}

// bodyLength reads Content-Length. On a stream it is the boundary, so there must
// be exactly one, a plain number (§18.3; §20.14's optional absence is for
// datagrams).
func (m *Message) bodyLength(b []byte, lim *Limits) (int, *FramingError) {
	f, ok := m.Row(ContentLength)
	switch {
	case !ok:
		return 0, m.framing(400, "the field is missing, a stream needs it")
	case m.repeated.has(ContentLength):
		return 0, m.framing(400, "the field must occur once")
	}
	value := b[f.valueStart:f.valEnd]
	n, ok := number(value, 9_999_999_999)
	if !ok || len(value) > 10 {
		return 0, m.framing(400, "the value must be a number of at most ten digits")
	}
	if n > uint64(lim.Body) { //nolint:gosec // limits are positive
		return 0, m.framing(413, "the body exceeds its limit")
	}
	return int(n), nil //nolint:gosec // bounded by the limit
}

func (m *Message) framing(status int, detail string) *FramingError {
	if m.response {
		status = 0
	}
	return &FramingError{Status: status, Field: names[ContentLength], Detail: detail}
}

// finish parses a message whose bytes are complete in Raw.
func (m *Message) finish(lim *Limits) *SyntaxError {
	m.Body = m.Raw[m.headers+2:]
	return m.validate(lim)
}
