package daemon_test

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// TestOneAddressDoesNotFillTheMetrics: who holds connections open keeps monitoring from
// nothing.
func TestOneAddressDoesNotFillTheMetrics(t *testing.T) {
	b := start(t)
	at := b.edge.Addr("metrics").String()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 64 {
		conn, err := from.DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}} // silent ones have 10
	answer, err := client.Get("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
}
