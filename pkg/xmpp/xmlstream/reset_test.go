package xmlstream

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
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

// offered is a source of parts that notes how many bytes it is asked for when a
// part begins.
type offered struct {
	parts []string
	at    int
	sizes []int
}

func (o *offered) Read(b []byte) (int, error) {
	if len(o.parts) == 0 {
		return 0, io.EOF
	}
	if o.at == 0 {
		o.sizes = append(o.sizes, len(b))
	}
	n := copy(b, o.parts[0][o.at:])
	if o.at += n; o.at == len(o.parts[0]) {
		o.parts, o.at = o.parts[1:], 0
	}
	return n, nil
}

func TestBufferFollowsTheTraffic(t *testing.T) {
	long := strings.Repeat("b", 100<<10)
	src := &offered{parts: []string{
		head, strings.Repeat(stanza, 200), "<a xmlns='" + long + "'>" + long + "</a>", "<a/>", "<b/>", "<c/>", "<d/>", " ",
	}}
	r := NewReader(src, DefaultLimits())
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	want := []int{idleBuffer, idleBuffer, busyBuffer, busyBuffer, busyBuffer, busyBuffer, busyBuffer, idleBuffer}
	if diff := cmp.Diff(want, src.sizes); diff != "" {
		t.Error(diff)
	}
	if n := cap(r.item.scope.text); n > idleBuffer {
		t.Errorf("%d bytes for namespaces that are gone", n)
	}
}
