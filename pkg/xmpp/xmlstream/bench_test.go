package xmlstream

import "testing"

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

func BenchmarkReader(b *testing.B) {
	r := NewReader(&endless{head, stanza}, DefaultLimits())
	b.SetBytes(int64(len(stanza)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Next(); err != nil {
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
