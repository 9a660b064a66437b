package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	f := newFigures()
	if _, ok := f.median("xmpp-streams", edged, rate); ok {
		t.Error("a median of nothing")
	}
	for _, v := range []float64{30, 10, 20} {
		f.add("xmpp-streams", edged, rate, v)
	}
	if v, _ := f.median("xmpp-streams", edged, rate); v != 20 {
		t.Errorf("median %v of three, want 20", v)
	}
	f.add("xmpp-streams", edged, rate, 40)
	if v, _ := f.median("xmpp-streams", edged, rate); v != 25 {
		t.Errorf("median %v of four, want 25", v)
	}
}

func TestQuantile(t *testing.T) {
	var all []time.Duration
	for i := range 101 {
		all = append(all, time.Duration(i)*time.Millisecond)
	}
	if a, b := quantile(all, 0.5), quantile(all, 0.99); a != 50 || b != 99 {
		t.Errorf("p50 %v, p99 %v, want 50 and 99", a, b)
	}
}

func TestTargets(t *testing.T) {
	f := newFigures()
	f.add("xmpp-servers", direct, rate, 1000)
	f.add("xmpp-servers", direct, p50, 1)
	var got []string
	for _, perEdged := range []float64{950, 800} {
		f.taken[figure{"xmpp-servers", edged, rate}] = []float64{perEdged}
		f.taken[figure{"xmpp-servers", edged, p50}] = []float64{2 - perEdged/1000}
		for _, x := range targets() {
			got = append(got, x.verdict(f))
		}
	}
	all := strings.Join(got, "")
	for verdict, want := range map[string]int{"| 0.95 | pass |": 1, "| 0.80 | miss |": 1, "| 0.05 | pass |": 1, "| 0.20 | pass |": 1, "| – | not measured |": 10} {
		if n := strings.Count(all, verdict); n != want {
			t.Errorf("%q %d times, want %d, in\n%s", verdict, n, want, all)
		}
	}
}

func TestBetween(t *testing.T) {
	h := half{name: "sip"}
	begin, end := h.marks()
	other := "<!-- make bench writes xmpp from here -->\nkept\n<!-- xmpp to here -->\n"
	got, err := h.replace("# A\n"+other+begin+"old\n"+end+"tail\n", "new\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("# A\n"+other+begin+"\nnew\n\n"+end+"tail\n", got); diff != "" {
		t.Error(diff)
	}
	if _, err := h.replace("# A\n"+other, "new"); err == nil {
		t.Error("a page without marks is taken")
	}
}
