package sipmsg

import (
	"io"
	"strings"
	"testing"
)

// benchMessage is a page-mode MESSAGE of about 430 bytes.
const benchMessage = "MESSAGE sip:bob@contoso.com SIP/2.0\r\n" +
	"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK776asdhds\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583;epid=0a1b2c3d4e\r\n" +
	"To: <sip:bob@contoso.com>\r\n" +
	"Call-ID: asd88asd77a-4b1f-8d2e@fabrikam.com\r\n" +
	"CSeq: 1 MESSAGE\r\n" +
	"User-Agent: loadgen/1.0\r\n" +
	"Content-Type: text/plain;charset=UTF-8\r\n" +
	"Content-Length: 69\r\n" +
	"\r\n" +
	"Watson, come here. I want to see you in the laboratory, now, please!!"

// benchInvite is an INVITE with SDP of about 750 bytes.
const benchInvite = "INVITE sip:bob@contoso.com;transport=tls SIP/2.0\r\n" +
	"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK776asdhds;alias\r\n" +
	"Via: SIP/2.0/TLS 10.1.2.3:49152;branch=z9hG4bKnashds8;received=10.1.2.3\r\n" +
	"Record-Route: <sip:sip.fabrikam.com:5061;transport=tls;lr>\r\n" +
	"Max-Forwards: 69\r\n" +
	"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583;epid=0a1b2c3d4e\r\n" +
	"To: <sip:bob@contoso.com>\r\n" +
	"Call-ID: asd88asd77a-4b1f-8d2e@fabrikam.com\r\n" +
	"CSeq: 1 INVITE\r\n" +
	"Contact: <sip:alice@10.1.2.3:49152;transport=tls>\r\n" +
	"Supported: 100rel, timer\r\n" +
	"User-Agent: Example-Phone/4.15.0 (build 2)\r\n" +
	"Content-Type: application/sdp\r\n" +
	"Content-Length: 150\r\n" +
	"\r\n" +
	"v=0\r\no=alice 2890844526 2890844526 IN IP4 10.1.2.3\r\ns=-\r\n" +
	"c=IN IP4 10.1.2.3\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 97\r\n" +
	"a=rtpmap:97 iLBC/8000\r\na=sendrecv\r\n\r\n"

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{"message": benchMessage, "invite": benchInvite} {
		b.Run(name, func(b *testing.B) {
			raw, lim := []byte(text), DefaultLimits()
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(raw, lim); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// endless repeats a message for ever.
type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

func benchReader(b *testing.B, text string, pool *Pool) {
	b.Helper()
	r := NewReader(&endless{text: []byte(strings.Repeat(text, 8))}, DefaultLimits())
	r.Pool = pool
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		m.Release()
	}
}

func BenchmarkReader(b *testing.B) {
	b.Run("message", func(b *testing.B) { benchReader(b, benchMessage, nil) })
	b.Run("message/pooled", func(b *testing.B) { benchReader(b, benchMessage, new(Pool)) })
	b.Run("invite", func(b *testing.B) { benchReader(b, benchInvite, nil) })
	b.Run("invite/pooled", func(b *testing.B) { benchReader(b, benchInvite, new(Pool)) })
}

// BenchmarkReaderBytewise shows that small segments cost no more than their reads.
func BenchmarkReaderBytewise(b *testing.B) {
	src := &endless{text: []byte(benchInvite)}
	r := NewReader(io.Reader(byteReader{src}), DefaultLimits())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

type byteReader struct{ r io.Reader }

func (b byteReader) Read(p []byte) (int, error) { return b.r.Read(p[:1]) }

// BenchmarkSplice does what the edge does to a dialog-forming request.
func BenchmarkSplice(b *testing.B) {
	for name, text := range map[string]string{"message": benchMessage, "invite": benchInvite} {
		b.Run(name, func(b *testing.B) {
			m, err := Parse([]byte(text), DefaultLimits())
			if err != nil {
				b.Fatal(err)
			}
			var s Splice
			var out []byte
			via := []byte("Via: SIP/2.0/TLS sip.contoso.com;branch=z9hG4bK0123456789abcdef\r\n")
			b.ReportAllocs()
			for b.Loop() {
				s.Reset(m)
				s.InsertBytes(m.HeadersStart(), via)
				s.Insert(m.HeadersStart(), "Record-Route: <sip:sip.contoso.com;transport=tls;lr>\r\n")
				f, _ := m.Row(MaxForwards)
				s.SetValue(f, "69")
				out = s.AppendTo(out[:0])
			}
		})
	}
}

// BenchmarkDropVia is the way of a response: the edge's own Via comes off.
func BenchmarkDropVia(b *testing.B) {
	m, err := Parse([]byte(benchInvite), DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	var s Splice
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		s.Reset(m)
		top, _ := m.First(Via)
		s.DropValue(top)
		out = s.AppendTo(out[:0])
	}
}
