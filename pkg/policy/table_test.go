package policy

import (
	"strconv"
	"testing"
)

func TestTable(t *testing.T) {
	var tab table[int]
	if tab.get("") != nil || tab.get("0") != nil {
		t.Error("the zero table holds something")
	}
	const n = 10_000
	for i := range n {
		*tab.add(strconv.Itoa(i)) = i
		*tab.add(strconv.Itoa(i / 2)) += n // known already
	}
	for i := range n {
		want := i
		if i < n/2 {
			want += 2 * n
		}
		if got := tab.get(strconv.Itoa(i)); got == nil || *got != want {
			t.Fatalf("%d: got %v, want %d", i, got, want)
		}
	}
	if tab.used != n || tab.get("") != nil || tab.get(strconv.Itoa(n)) != nil {
		t.Errorf("%d keys, want %d and no others", tab.used, n)
	}
}
