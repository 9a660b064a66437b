package xmlstream

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// endless repeats a stanza after a header.
type endless struct {
	rest, again string
}

func (e *endless) Read(b []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.again
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

const stanza = `<message from='alice@a.example/phone' to='bob@b.example' type='chat' id='ab12cd34' xml:lang='en'>` +
	`<body>Lunch at noon? &amp; bring the book</body><x:active y='1'/></message>`

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	r := NewReader(&endless{head, stanza}, DefaultLimits())
	var d Edit
	var out []byte
	allocs := testing.AllocsPerRun(200, func() {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == Stanza {
			d.Reset(e)
			d.Set("to", "bob@pool.example")
			d.Declare(e.Inherited[len(e.Inherited)-1])
			out = d.AppendTo(out[:0])
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per stanza", allocs)
	}
}

// usual is a stanza of 390 bytes, as chat between servers is made of; foreign is
// one whose text is not Latin.
func usual() string {
	const start = `<message xml:lang='en' to='juliet@capulet.example/balcony' from='romeo@montague.example/orchard' type='chat' id='c1a0b3f2-77'><body>`
	const end = `</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`
	return start + strings.Repeat("I take thee at thy word. ", 8)[:390-len(start)-len(end)] + end
}

func foreign() string {
	return `<message to='a@b.example' from='c@d.example' type='chat' id='1'><body>` + strings.Repeat("Привет, как дела? ", 10) + `</body></message>`
}

func BenchmarkReader(b *testing.B) {
	for name, stanza := range map[string]string{"short": stanza, "usual": usual(), "foreign": foreign()} {
		b.Run(name, func(b *testing.B) {
			r := NewReader(&endless{head, strings.Repeat(stanza, 100)}, DefaultLimits())
			b.SetBytes(int64(len(stanza)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCopy is what is lost already when somebody else's buffer passes the
// bytes on without looking.
func BenchmarkCopy(b *testing.B) {
	r := bufio.NewReader(&endless{"", strings.Repeat(usual(), 100)})
	b.SetBytes(390)
	for b.Loop() {
		if _, err := io.CopyN(io.Discard, r, 390); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEdit(b *testing.B) {
	e := second(b, head+stanza)
	var d Edit
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(e)
		d.Set("to", "bob@pool.example")
		for _, ns := range e.Inherited {
			d.Declare(ns)
		}
		out = d.AppendTo(out[:0])
	}
}
