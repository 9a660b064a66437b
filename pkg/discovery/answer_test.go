package discovery_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
)

func target(host string, priority, weight uint16) discovery.Target {
	return discovery.Target{Host: domain.MustParse(host), Port: 5061, Priority: priority, Weight: weight}
}

func hosts(targets []discovery.Target) []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.Host.String())
	}
	return names
}

// first always draws the smallest number, last the largest.
func first(int) int  { return 0 }
func last(n int) int { return n - 1 }

func TestOrdered(t *testing.T) {
	tests := []struct {
		name    string
		targets []discovery.Target
		rnd     func(int) int
		want    []string
	}{
		{"none", nil, first, nil},
		{"one", []discovery.Target{target("a.example", 0, 0)}, first, []string{"a.example"}},
		{"priority beats weight", []discovery.Target{target("b.example", 20, 100), target("a.example", 10, 0)}, last, []string{"a.example", "b.example"}},
		{"the number 0 draws weight 0", []discovery.Target{target("a.example", 1, 10), target("z.example", 1, 0)}, first, []string{"z.example", "a.example"}},
		{"any other does not", []discovery.Target{target("z.example", 1, 0), target("a.example", 1, 10)}, last, []string{"a.example", "z.example"}},
		{"the sum draws the last", []discovery.Target{target("a.example", 1, 1), target("b.example", 1, 2), target("c.example", 1, 3)}, last, []string{"c.example", "b.example", "a.example"}},
		{"a draw keeps the others' order", []discovery.Target{target("a.example", 1, 1), target("b.example", 1, 2), target("c.example", 1, 3)}, func(n int) int { return n / 2 }, []string{"b.example", "c.example", "a.example"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := hosts(discovery.Answer{Targets: tt.targets}.Ordered(tt.rnd))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOrderedShares draws often and compares how often each target comes first
// with its share of the weights. The formula of RFC 2782 draws from sum+1 numbers,
// of which the first target of non-zero weight gets one more than its share.
func TestOrderedShares(t *testing.T) {
	tests := []struct {
		weights []uint16
		want    []float64
	}{
		{[]uint16{10, 30, 60}, []float64{11. / 101, 30. / 101, 60. / 101}},
		{[]uint16{0, 99}, []float64{1. / 100, 99. / 100}},
		{[]uint16{0, 0, 0, 0}, []float64{.25, .25, .25, .25}},
		{[]uint16{65535, 65535}, []float64{.5, .5}},
	}
	const draws = 20000
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.weights), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var a discovery.Answer
			for i, w := range tt.weights {
				a.Targets = append(a.Targets, discovery.Target{Port: uint16(i), Weight: w})
			}
			got := make([]float64, len(tt.weights))
			for range draws {
				got[a.Ordered(rnd.IntN)[0].Port] += 1. / draws
			}
			for i := range got {
				if math.Abs(got[i]-tt.want[i]) > 0.015 {
					t.Errorf("weight %d came first with share %.3f, want %.3f", tt.weights[i], got[i], tt.want[i])
				}
			}
		})
	}
}

func TestOrderedLeavesTheAnswerAlone(t *testing.T) {
	a := discovery.Answer{Targets: []discovery.Target{target("a.example", 1, 1), target("b.example", 1, 1)}}
	a.Ordered(last)
	a.Ordered(nil)
	if diff := cmp.Diff([]string{"a.example", "b.example"}, hosts(a.Targets)); diff != "" {
		t.Errorf("targets changed (-want +got):\n%s", diff)
	}
}

func TestDirectlyIn(t *testing.T) {
	tests := []struct {
		host string
		want bool
	}{
		{"sip.fabrikam.com", true},
		{"fabrikam.com", true},
		{"sip.sub.fabrikam.com", false},
		{"sipfabrikam.com", false},
		{"com", false},
		{"fabrikam.com.evil.example", false},
		{"sip.litware.com", false},
	}
	for _, tt := range tests {
		a := discovery.Answer{Targets: []discovery.Target{target(tt.host, 0, 0)}}
		if got := len(a.DirectlyIn(domain.MustParse("fabrikam.com")).Targets) == 1; got != tt.want {
			t.Errorf("%s kept: %v, want %v", tt.host, got, tt.want)
		}
	}
}

func TestFilters(t *testing.T) {
	a := discovery.Answer{Authentic: true, Targets: []discovery.Target{
		target("a.fabrikam.com", 1, 0), target("proxy.example", 2, 0), target("a.fabrikam.com", 3, 0),
	}}
	inside := a.DirectlyIn(domain.MustParse("fabrikam.com"))
	if diff := cmp.Diff([]string{"a.fabrikam.com", "a.fabrikam.com"}, hosts(inside.Targets)); diff != "" || !inside.Authentic {
		t.Errorf("DirectlyIn: authentic %v (-want +got):\n%s", inside.Authentic, diff)
	}
	if got := inside.Names(); len(got) != 1 || got[0].String() != "a.fabrikam.com" {
		t.Errorf("Names after DirectlyIn = %v", got)
	}
	if got := hosts(a.Only(domain.MustParse("proxy.example")).Targets); len(got) != 1 || got[0] != "proxy.example" {
		t.Errorf("Only = %v", got)
	}
	if got := a.Only(domain.MustParse("other.example")); len(got.Targets) != 0 || len(got.Names()) != 0 {
		t.Errorf("Only of a stranger = %v", got)
	}
	if got := len(a.Names()); got != 2 {
		t.Errorf("%d distinct names, want 2", got)
	}
}
