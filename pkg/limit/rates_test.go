package limit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"edged/pkg/limit"
)

func TestRates(t *testing.T) {
	tests := []struct {
		name  string
		keys  int
		rate  rate.Limit
		burst int
		story string // keys, and "+2s" to let time pass
		want  string // one letter per key: y allowed, n refused
	}{
		{"a burst, then no more", 9, 1, 3, "a a a a", "yyyn"},
		{"tokens come back", 9, 1, 1, "a a +1s a a", "ynyn"},
		{"never more than the burst", 9, 10, 2, "a +1h a a a", "yyyn"},
		{"each key for itself", 9, 1, 1, "a b a b", "yynn"},
		{"no rate: the burst is all", 9, 0, 1, "a +24h a", "yn"},
		{"no burst: nothing", 9, 1, 0, "a +1s a", "nn"},
		{"no limit", 9, rate.Inf, 0, "a a a", "yyy"},
		{"the longest unasked key goes", 2, 1, 1, "a b a c b", "yynyy"},
		{"the one just asked stays", 2, 1, 1, "a b a c a", "yynyn"},
		{"a table of none holds one", 0, 1, 1, "a a b b", "ynyn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			r := limit.NewRates(tt.keys, tt.rate, tt.burst, func() time.Time { return now })
			var got strings.Builder
			for word := range strings.FieldsSeq(tt.story) {
				if d, err := time.ParseDuration(word); err == nil {
					now = now.Add(d)
				} else if r.Allow(word) {
					got.WriteByte('y')
				} else {
					got.WriteByte('n')
				}
			}
			if got.String() != tt.want {
				t.Errorf("answers %s, want %s", &got, tt.want)
			}
		})
	}
}

func BenchmarkRatesAllow(b *testing.B) {
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("partner%d.example", i)
	}
	r := limit.NewRates(len(keys), 1e6, 100, time.Now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Allow(keys[i%len(keys)])
	}
}
