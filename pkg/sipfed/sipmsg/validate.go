package sipmsg

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
		v.maxBreadth()
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
	if v.m.nameless {
		v.fail(400, names[Other], "a header field is written `Name: value`")
	}
	for _, h := range [...]Header{Via, From, To, CallID, CSeq} {
		if v.m.first[h] == 0 {
			v.failField(h, "the field is missing")
		}
	}
	for _, h := range [...]Header{From, To, CallID, CSeq, MaxForwards, MaxBreadth} {
		if v.m.repeated.has(h) {
			v.failField(h, "the field must occur once")
		}
	}
}

// topVia reads the first value of the first Via row; the others are for others.
func (v *validator) topVia() {
	value, ok := v.m.Get(Via)
	if !ok {
		return
	}
	end, err := v.m.via.parse(value)
	if err == nil && end < len(value) && value[end] != ',' {
		err = grammarError("after sent-by only parameters may follow")
	}
	if err != nil {
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

// MostBreadth is the largest Max-Breadth that counts, and what a request without
// one gets (RFC 5393 §5.3.3: 60 is recommended for both).
const MostBreadth = 60

// maxBreadth wants a number (RFC 5393 §5.2), however large. It may be absent.
func (v *validator) maxBreadth() {
	value, ok := v.m.Get(MaxBreadth)
	if !ok {
		return
	}
	if !all(value, classDigit) {
		v.failField(MaxBreadth, "the value must be a number")
		return
	}
	v.m.breadth = 1 + MostBreadth
	if n, small := number(value, MostBreadth); small {
		v.m.breadth = 1 + int(n) //nolint:gosec // bounded above
	}
}
