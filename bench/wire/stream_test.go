package wire

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
)

func TestScanFindsNumbersAcrossReads(t *testing.T) {
	form := NewForm("alice@partner.example/pc", "bob@pool.example")
	var all []byte
	for n := range uint32(3) {
		all = form.Append(all, n+99_999_999)
	}
	want := []uint32{99_999_999, 0, 1}
	for cut := range all {
		var got []uint32
		each := func(n uint32) { got = append(got, n) }
		rest := Scan(all[:cut], each)
		Scan(slices.Concat(rest, all[cut:]), each)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("cut at %d:\n%s", cut, diff)
		}
	}
}

func TestMessageLooksLikeTraffic(t *testing.T) {
	text := string(NewForm("alice@partner.example/bench", "bob@pool.example/bench").Append(nil, 7))
	_, rest, _ := strings.Cut(text, "<body>")
	if body, _, _ := strings.Cut(rest, "</body>"); len(body) != BodyBytes || !strings.HasPrefix(body, "#00000007 ") {
		t.Errorf("body of %d bytes: %s", len(body), body)
	}
	if len(text) < 380 || len(text) > 400 {
		t.Errorf("%d bytes, want about 390", len(text))
	}
}

func TestStreamBetweenBothEnds(t *testing.T) {
	root := ca.New("root")
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert().X509)
	cert := func(name string) ca.Cert { return root.Issue(ca.Leaf{DNS: []string{name}}) }

	for name, tt := range map[string]struct {
		certificate string
		want        string // in the error
	}{
		"own certificate": {"partner.example", ""},
		"somebody else's": {"other.example", "waiting for <success>"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			heard := make(chan string, 1)
			go func() { heard <- hear(l, Acceptor{"pool.example", cert("pool.example").TLS, roots}) }()
			d := Dialer{From: "partner.example", To: "pool.example", Cert: cert(tt.certificate).TLS, Roots: roots}
			s, err := d.Stream(t.Context(), l.Addr().String())
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one about %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(s.Conn, "hello")
			s.Conn.Close()
			if got := <-heard; got != "partner.example hello" {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// hear accepts one stream and returns who it was and what was sent on it.
func hear(l net.Listener, a Acceptor) string {
	c, err := l.Accept()
	if err != nil {
		return err.Error()
	}
	s, err := a.Stream(c)
	if err != nil {
		return err.Error()
	}
	defer s.Conn.Close()
	text, err := io.ReadAll(s.Conn)
	if err != nil {
		return err.Error()
	}
	return s.From + " " + string(text)
}
