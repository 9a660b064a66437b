package xmlstream

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReset(t *testing.T) {
	for keep, want := range map[bool]string{true: "<next>", false: "<other>"} {
		r := NewReader(strings.NewReader(head+"<auth/><?xml version='1.0'?><next>"), DefaultLimits())
		for range 2 {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if r.Buffered() == 0 {
			t.Fatal("nothing was read ahead")
		}
		r.Reset(strings.NewReader("<?xml version='1.0'?><other>"), keep)
		e, err := r.Next()
		if err != nil || string(e.Raw) != want || e.Kind != Header || len(e.Declared) != 0 {
			t.Errorf("keep %v: %+v, %v", keep, e, err)
		}
	}
}

func TestCallbacks(t *testing.T) {
	spaces, starts := 0, 0
	src := io.MultiReader(strings.NewReader(head), strings.NewReader(" "), strings.NewReader("\n"), strings.NewReader("<a/>"),
		iotest.OneByteReader(strings.NewReader("<bcd/>")))
	r := NewReader(src, DefaultLimits())
	r.OnSpace = func() { spaces++ }
	r.OnStart = func() { starts++ }
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	if spaces != 2 || starts != 1 {
		t.Errorf("%d pieces of white space, %d slow elements; want 2, 1", spaces, starts)
	}
}

func TestBufferShrinks(t *testing.T) {
	long := strings.Repeat("b", 100<<10)
	big := "<a xmlns='" + long + "'>" + long + "</a>"
	r := NewReader(split(head+big+" ", len(head+big)), DefaultLimits())
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	if n := len(r.buf) + cap(r.item.scope.text); n > 2*idleBuffer {
		t.Errorf("idle buffers of %d bytes", n)
	}
}
