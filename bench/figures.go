package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Who is measured.
const (
	edged    = "edged"
	kamailio = "kamailio"
	cutter   = "cut"
	copier   = "copy"
	dropper  = "drop"
	answerer = "answer"
	straight = "none" // the sender speaks to the sink
	prosody  = "prosody"
	ejabberd = "ejabberd"
	direct   = "direct" // Prosody speaks to ejabberd
)

// What is measured.
type kind uint8

const (
	rate    kind = iota // messages per second at full speed
	cpu                 // CPU seconds per 10,000 messages
	p50                 // latency in ms, at the fixed rate of the part
	p99                 //
	rss                 // memory in MiB
	perConn             // KiB of memory per idle connection
	setup               // CPU ms per connection
	hybrid              // the same, keys exchanged by X25519 and ML-KEM
	before              // memory in MiB ahead of the load, highest during it and after it
	during
	after
	surplus  // final answers
	served   // per cent of a flood's messages
	newcomer // ms until a new connection is served
	lost     // messages
	ours     // CPU seconds of sender and sink per 10,000 messages
)

// figure is one quantity of one subject in one part.
type figure struct {
	part, who string
	what      kind
}

// figures are the results of all rounds.
type figures struct {
	taken   map[figure][]float64
	missing map[string]string // why a subject could not be measured: the first reason
	failed  map[string]int    // measurements that were begun anew, by subject and reason
}

func newFigures() *figures {
	return &figures{taken: map[figure][]float64{}, missing: map[string]string{}, failed: map[string]int{}}
}

func (f *figures) add(part, who string, what kind, v float64) {
	at := figure{part, who, what}
	f.taken[at] = append(f.taken[at], v)
}

// lack notes why a subject has no figures in a part, or in none.
func (f *figures) lack(part, who string, err error) {
	if at := part + "/" + who; f.missing[at] == "" && f.missing["/"+who] != err.Error() {
		f.missing[at] = err.Error()
	}
}

// fail notes a measurement that came to nothing and is begun anew.
func (f *figures) fail(part, who string, err error) {
	reason, _, _ := strings.Cut(err.Error(), "\n")
	f.failed[fmt.Sprintf("%s/%s: %.150s", part, who, reason)]++
}

// median of the rounds; false if there is none.
func (f *figures) median(part, who string, what kind) (float64, bool) {
	all := slices.Sorted(slices.Values(f.taken[figure{part, who, what}]))
	if len(all) == 0 {
		return 0, false
	}
	// Of an even number the mean of both in the middle.
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, true
}

// text is the median as it stands in a table.
func (f *figures) text(format, part, who string, what kind) string {
	v, ok := f.median(part, who, what)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// quantile of sorted latencies, in ms.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))]) / float64(time.Millisecond)
}
