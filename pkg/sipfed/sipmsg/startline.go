package sipmsg

import (
	"bytes"
	"slices"
)

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
	return len(b) > 0 && !slices.ContainsFunc(b, isBlank)
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
	major, minor, _ := bytes.Cut(b[min(len("SIP/"), len(b)):], []byte{'.'})
	if all(major, classDigit) && all(minor, classDigit) {
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
