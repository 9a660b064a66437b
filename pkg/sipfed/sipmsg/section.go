package sipmsg

import "bytes"

const badLine = "a line must end with CRLF, not with CR or LF alone"

// section finds the end of a header section, however it is cut into segments,
// and looks at every byte once. Offsets count from the message's first byte.
//
// Its findings do not depend on the cut: an error names the first offending byte,
// and the rows kept are those that end before it.
type section struct {
	line    int  // start of the unfinished line
	seen    int  // no LF in [line, seen)
	clean   int  // before it no NUL and no bare CR, a CR at its end aside
	lines   int  // complete lines
	crs     int  // CRs before clean
	word    int  // how far the first word was followed
	settled bool // the first word can begin a start line
}

// scan reads on in b, which starts with the message. It is done when the empty
// line is complete; m.headers says where.
func (s *section) scan(m *Message, b []byte, lim *Limits) (done bool, err *FramingError) {
	if !s.settled && !s.canStart(b[:min(len(b), lim.Headers)]) {
		return false, &FramingError{Detail: "these bytes begin no SIP message"}
	}
	for {
		i := bytes.IndexByte(b[s.seen:], '\n')
		if i < 0 {
			s.seen = len(b)
			return false, s.unfinished(m, b, lim)
		}
		s.seen += i + 1
		if done, err = s.takeLine(m, b, s.seen, lim); done || err != nil {
			return done, err
		}
	}
}

// canStart follows the first word: a method and white space, or "SIP/". White
// space before it is a matter of syntax, not of framing.
func (s *section) canStart(b []byte) bool {
	for ; !s.settled && s.word < len(b); s.word++ {
		switch c := b[s.word]; {
		case is(c, classToken):
		case isBlank(c):
			s.settled = s.word > 0 && !isBlank(b[s.word-1])
		case c == '/':
			s.settled = equalFold(bytes.TrimLeft(b[:s.word], " \t"), "sip")
			if !s.settled {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// takeLine files the line that ends at end.
func (s *section) takeLine(m *Message, b []byte, end int, lim *Limits) (done bool, err *FramingError) {
	start := s.line
	switch {
	case s.isTooLong(m, end, lim):
		return false, s.tooLong(m, b, lim)
	case end-start < 2 || b[end-2] != '\r':
		return false, s.fail(m, b, end, 400, badLine)
	}
	s.line = end
	s.lines++
	switch {
	case !m.started && !m.takeStartLine(b[:end-2]):
		return false, s.fail(m, b, end, 0, "the first line is no SIP start line")
	case !m.started:
		m.started = true
	case end-start == 2:
		if !s.check(b, end) {
			return false, s.fail(m, b, end, 400, badLine)
		}
		m.headers = start
		return true, nil
	case isBlank(b[start]) && len(m.fields) > 0:
		m.fields[len(m.fields)-1].end = uint32(end) //nolint:gosec // bounded by Limits
	case len(m.fields) >= min(lim.Fields, maxFields):
		return false, s.fail(m, b, end, 513, "too many header fields")
	default:
		m.fields = append(m.fields, Field{start: uint32(start), end: uint32(end)}) //nolint:gosec // as above
	}
	return false, nil
}

// takeStartLine tells requests from responses; false for what is neither.
func (m *Message) takeStartLine(line []byte) bool {
	m.line = span{0, len(line)}
	start, end := trim(line, 0, len(line))
	if m.response = startsVersion(line[start:end]); m.response {
		return true
	}
	last := end
	for last > start && !isBlank(line[last-1]) {
		last--
	}
	return last > start && startsVersion(line[last:end])
}

func startsVersion(b []byte) bool { return len(b) >= 4 && equalFold(b[:4], "sip/") }

// unfinished judges a section whose last line is not complete.
func (s *section) unfinished(m *Message, b []byte, lim *Limits) *FramingError {
	if s.isTooLong(m, len(b), lim) {
		return s.tooLong(m, b, lim)
	}
	if !s.check(b, len(b)) {
		return s.fail(m, b, len(b), 400, badLine)
	}
	return nil
}

// isTooLong reports whether a line that reaches end breaks a limit. The start line
// may fill the section: a long Request-URI is better answered than cut off.
func (s *section) isTooLong(m *Message, end int, lim *Limits) bool {
	return end > lim.Headers || m.started && end-s.line > lim.Line
}

func (s *section) tooLong(m *Message, b []byte, lim *Limits) *FramingError {
	if end := s.line + lim.Line; m.started && end < lim.Headers {
		return s.fail(m, b, end, 513, "a line exceeds its limit")
	}
	return s.fail(m, b, lim.Headers, 513, "the header section exceeds its limit")
}

// check looks for NUL and bare CR in b[clean:end], where end is the end of a line
// or of what has arrived. Counting is enough: each complete line has one CR.
func (s *section) check(b []byte, end int) bool {
	fresh := b[s.clean:end]
	s.crs += bytes.Count(fresh, []byte{'\r'})
	want := s.lines
	if end > 0 && b[end-1] == '\r' {
		want++
	}
	if s.crs != want || bytes.IndexByte(fresh, 0) >= 0 && firstBad(b, s.clean, end) >= 0 {
		return false
	}
	s.clean = end
	return true
}

// fail ends the section at its first bad byte before end, or with the given error
// if there is none, and keeps the rows before it.
func (s *section) fail(m *Message, b []byte, end, status int, detail string) *FramingError {
	if i := firstBad(b, max(s.clean-1, 0), end); i >= 0 {
		end, status, detail = i, 400, badLine
		if b[i] == 0 {
			detail = "a NUL byte in the header section"
		}
	}
	keep := len(m.fields)
	for keep > 0 && int(m.fields[keep-1].end) > end {
		keep--
	}
	if keep > 0 && int(m.fields[keep-1].end) == s.line && s.line < len(b) && isBlank(b[s.line]) {
		keep-- // the bad line continues this row
	}
	m.fields = m.fields[:keep]
	if m.response || !m.started || end < m.line.end {
		status = 0
	}
	return &FramingError{Status: status, Detail: detail}
}

// firstBad returns the first LF without CR, CR without LF or NUL in b[from:end],
// or -1. NUL is legal as a quoted-pair, after a backslash (RFC 4475 §3.1.1.2).
func firstBad(b []byte, from, end int) int {
	for i := from; i < min(end, len(b)); i++ {
		switch b[i] {
		case '\r':
			if i+1 < len(b) && b[i+1] != '\n' {
				return i
			}
		case '\n':
			if i == 0 || b[i-1] != '\r' {
				return i
			}
		case 0:
			if !escaped(b, i) {
				return i
			}
		}
	}
	return -1
}

// escaped reports whether an odd number of backslashes stands before i.
func escaped(b []byte, i int) bool {
	n := 0
	for i > n && b[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
