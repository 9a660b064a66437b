package sippeer

import (
	"bufio"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	in := "\r\n\r\nINVITE sip:bob@b.example SIP/2.0\r\n" +
		"v: SIP/2.0/TLS a.example;branch=z9hG4bK1\r\n" +
		"Subject: one\r\n  two\r\n" +
		"i: id\r\nCSeq: 7 INVITE\r\nl: 4\r\n\r\nbodySIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
	r, pings := bufio.NewReader(strings.NewReader(in)), 0
	m, err := read(r, func() { pings++ })
	if err != nil {
		t.Fatal(err)
	}
	got := []string{m.Method(), m.URI(), m.Get("Call-ID"), m.Get("Subject"), m.branch(), m.Body}
	if diff := cmp.Diff([]string{"INVITE", "sip:bob@b.example", "id", "one two", "z9hG4bK1", "body"}, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if pings != 1 {
		t.Errorf("%d pings, want 1", pings)
	}
	m, err = read(r, func() {})
	if err != nil || m.Status() != 200 || m.Method() != "INVITE" {
		t.Errorf("response: %+v, %v", m, err)
	}
}

func TestReadRefuses(t *testing.T) {
	tests := map[string]string{
		"no length":       "OPTIONS sip:a SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
		"negative length": "OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
		"huge length":     "OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
		"no colon":        "OPTIONS sip:a SIP/2.0\r\nnonsense\r\n\r\n",
		"folded start":    "OPTIONS sip:a SIP/2.0\r\n folded\r\n\r\n",
		"cut off":         "OPTIONS sip:a SIP/2.0\r\nContent-Length: 5\r\n\r\nab",
		"endless line":    strings.Repeat("a", 2*maxLine),
		"endless fields":  "OPTIONS sip:a SIP/2.0\r\n" + strings.Repeat("a: b\r\n", maxFields+1) + "\r\n",
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			if m, err := read(bufio.NewReaderSize(strings.NewReader(in), maxLine), func() {}); err == nil {
				t.Errorf("read %+v", m)
			}
		})
	}
}

// FuzzRead checks that what was read and printed is read the same again.
func FuzzRead(f *testing.F) {
	f.Add("SIP/2.0 200 OK\r\nVia: a\r\n\tb\r\nContent-Length: 2\r\n\r\nab")
	f.Add("\r\n\r\nACK sip:a SIP/2.0\r\nl: 0\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		m, err := read(bufio.NewReader(strings.NewReader(in)), func() {})
		if err != nil {
			return
		}
		again, err := read(bufio.NewReader(strings.NewReader(m.String())), func() {})
		if err != nil {
			t.Fatalf("%v in what was printed:\n%q", err, m.String())
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("printed and read again (-first +second):\n%s", diff)
		}
	})
}
