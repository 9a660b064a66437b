package sipmsg

import "bytes"

// Parse reads raw as exactly one message, which keeps the slice. The errors are
// those of Reader.Next; bytes after the body, or missing ones, are a FramingError.
func Parse(raw []byte, lim Limits) (*Message, error) {
	m := new(Message)
	m.reset()
	var s section
	done, err := s.scan(m, raw, &lim)
	if err == nil && !done {
		err = &FramingError{Status: 400, Detail: "the header section must end with an empty line"}
		err = s.fail(m, raw, len(raw), err)
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
	m.Raw = raw[:len(raw):len(raw)]
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
	m.Raw, m.Body, m.Method, m.Status = m.Raw[:0], nil, "", 0
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
		if m.first[f.Header] == 0 {
			m.first[f.Header] = uint16(i + 1) //nolint:gosec // bounded by maxFields
		} else {
			m.repeated[f.Header] = true
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
	case m.repeated[ContentLength]:
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

// validate parses what routing needs. It reads on after an error, so that an
// answer finds as much as possible, and returns the first one.
func (m *Message) validate(lim *Limits) *SyntaxError {
	v := validator{m: m}
	if m.response {
		v.statusLine()
	} else {
		v.requestLine(lim)
	}
	v.rows()
	v.topVia()
	v.address(From, &v.m.from)
	v.address(To, &v.m.to)
	v.callID()
	v.cseq()
	if !m.response {
		v.maxForwards()
	}
	return v.err
}

// validator collects the first error of a message.
type validator struct {
	m   *Message
	err *SyntaxError
}

func (v *validator) fail(status int, field, detail string) {
	if v.err != nil {
		return
	}
	if v.m.response {
		status = 0
	}
	v.err = &SyntaxError{Status: status, Field: field, Detail: detail}
}

func (v *validator) failField(h Header, detail string) { v.fail(400, names[h], detail) }

// rows checks that the rows are header fields and the mandatory ones occur once
// (§8.1.1, §20; Via may have several rows).
func (v *validator) rows() {
	for i := range v.m.fields {
		if f := &v.m.fields[i]; f.nameEnd == f.start {
			v.fail(400, names[Other], "a header field is written `Name: value`")
		}
	}
	for _, h := range [...]Header{Via, From, To, CallID, CSeq} {
		if v.m.first[h] == 0 {
			v.failField(h, "the field is missing")
		}
	}
	for _, h := range [...]Header{From, To, CallID, CSeq, MaxForwards} {
		if v.m.repeated[h] {
			v.failField(h, "the field must occur once")
		}
	}
}

func (v *validator) topVia() {
	top, ok := v.m.First(Via)
	if !ok {
		v.failField(Via, "the field is missing")
		return
	}
	if err := v.m.via.parse(top.Text); err != nil {
		v.failField(Via, err.Error())
		v.m.via = ViaValue{}
	}
}

func (v *validator) address(h Header, a *Address) {
	value, ok := v.m.Get(h)
	if !ok {
		return
	}
	if err := a.parse(value); err != nil {
		v.failField(h, err.Error())
		*a = Address{}
	}
}

// callID wants visible ASCII; §25.1 allows fewer characters, peers send more.
func (v *validator) callID() {
	value, ok := v.m.Get(CallID)
	if !ok {
		return
	}
	for _, c := range value {
		if c <= ' ' || c >= 0x7f {
			value = nil
			break
		}
	}
	if len(value) == 0 {
		v.failField(CallID, "the value must be one word of visible ASCII")
	}
	v.m.callID = value
}

// cseq wants a number below 2^31 (§8.1.1.5) and, in requests, the method of the
// request line.
func (v *validator) cseq() {
	value, ok := v.m.Get(CSeq)
	if !ok {
		return
	}
	digits := run(value, 0, classDigit)
	n, ok := number(value[:digits], 1<<31-1)
	method := skipLWS(value, digits)
	if !ok || method == digits || !all(value[method:], classToken) {
		v.failField(CSeq, "the value must be a number below 2147483648 and a method")
		return
	}
	v.m.cseqNumber = uint32(n) //nolint:gosec // bounded above
	v.m.cseqMethod = methodName(value[method:])
	if !v.m.response && v.m.cseqMethod != v.m.Method {
		v.failField(CSeq, "the method must be that of the request line")
	}
}

// maxForwards wants 0 to 255 (§20.22). It may be absent.
func (v *validator) maxForwards() {
	value, ok := v.m.Get(MaxForwards)
	if !ok {
		return
	}
	n, ok := number(value, 255)
	if !ok {
		v.failField(MaxForwards, "the value must be a number from 0 to 255")
		return
	}
	v.m.hops = int(n) + 1 //nolint:gosec // bounded above
}

// requestLine reads `Method SP Request-URI SP SIP-Version` (§7.1). Anything but
// single spaces is refused: it would have to be repaired before going on.
func (v *validator) requestLine(lim *Limits) {
	m := v.m
	line := m.line.of(m.Raw)
	method := run(line, 0, classToken)
	if start := skipLWS(line, 0); start > 0 {
		method = run(line, start, classToken)
		m.Method = methodName(line[start:method])
		v.fail(400, RequestLine, "the line must not start with white space")
		return
	}
	m.Method = methodName(line[:method])
	rest := line[min(method+1, len(line)):]
	sp := bytes.IndexByte(rest, ' ')
	if method == len(line) || line[method] != ' ' || sp <= 0 || !isWord(rest[:sp]) || !isWord(rest[sp+1:]) {
		v.fail(400, RequestLine, "method, Request-URI and version must be separated by single spaces")
		return
	}
	m.uri = span{method + 1, method + 1 + sp}
	v.version(rest[sp+1:], RequestLine)
	if sp > lim.URI {
		v.fail(414, RequestLine, "the Request-URI exceeds its limit")
		return
	}
	v.requestURI(rest[:sp])
}

// isWord reports whether b is not empty and free of white space.
func isWord(b []byte) bool {
	for _, c := range b {
		if isBlank(c) {
			return false
		}
	}
	return len(b) > 0
}

func (v *validator) requestURI(b []byte) {
	u := &v.m.requestURI
	switch err := u.parse(b); {
	case err != nil:
		v.fail(400, RequestLine, "Request-URI: "+err.Error())
		*u = URI{}
	case u.Headers != nil:
		v.fail(400, RequestLine, "the Request-URI must not hold headers")
	}
}

// version wants SIP/2.0 in any case (§7.1).
func (v *validator) version(b []byte, field string) {
	if equalFold(b, "sip/2.0") {
		return
	}
	number := b[min(4, len(b)):]
	major := run(number, 0, classDigit)
	if major > 0 && major < len(number) && number[major] == '.' && all(number[major+1:], classDigit) {
		v.fail(505, field, "the version must be SIP/2.0")
		return
	}
	v.fail(400, field, "the version must be written SIP/2.0")
}

// statusLine reads `SIP-Version SP Status-Code SP Reason-Phrase` (§7.2).
func (v *validator) statusLine() {
	m := v.m
	line := m.line.of(m.Raw)
	sp := bytes.IndexByte(line, ' ')
	if sp < 0 || len(line) < sp+5 || line[sp+4] != ' ' {
		v.fail(0, StatusLine, "version, status code and phrase must be separated by single spaces")
		return
	}
	v.version(line[:sp], StatusLine)
	code, ok := number(line[sp+1:sp+4], 699)
	if !ok || code < 100 {
		v.fail(0, StatusLine, "the status code must be a number from 100 to 699")
		return
	}
	m.Status = int(code) //nolint:gosec // bounded above
	m.uri = span{sp + 5, len(line)}
}

// methodName returns a method without allocating for the known ones.
func methodName(b []byte) string {
	switch string(b) {
	case "INVITE":
		return "INVITE"
	case "ACK":
		return "ACK"
	case "BYE":
		return "BYE"
	case "CANCEL":
		return "CANCEL"
	case "OPTIONS":
		return "OPTIONS"
	case "MESSAGE":
		return "MESSAGE"
	case "SUBSCRIBE":
		return "SUBSCRIBE"
	case "NOTIFY":
		return "NOTIFY"
	case "BENOTIFY":
		return "BENOTIFY"
	case "SERVICE":
		return "SERVICE"
	case "INFO":
		return "INFO"
	case "UPDATE":
		return "UPDATE"
	case "PRACK":
		return "PRACK"
	case "REFER":
		return "REFER"
	case "PUBLISH":
		return "PUBLISH"
	case "REGISTER":
		return "REGISTER"
	case "NEGOTIATE":
		return "NEGOTIATE"
	}
	return string(b)
}
