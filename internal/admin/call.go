package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// StatusError is an answer other than success.
type StatusError struct {
	Status int    // HTTP status
	Text   string // what the daemon said, without the final line end
}

// Error returns what the daemon said, or the status if it said nothing.
func (e *StatusError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("edged answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return e.Text
}

// Call asks the daemon that listens on the socket, and returns the body of its
// answer. An answer other than 2xx is a *StatusError.
func Call(ctx context.Context, socket, method, path string) ([]byte, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://edged"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("edged does not answer on %s; is it running, and may you use the socket? %w", socket, err)
	}
	return readAnswer(answer)
}

func readAnswer(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxResponseLength+1))
	err = errors.Join(err, answer.Body.Close())
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	if len(body) > maxResponseLength {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxResponseLength)
	}
	if answer.StatusCode/100 != 2 {
		return nil, &StatusError{Status: answer.StatusCode, Text: strings.TrimSuffix(string(body), "\n")}
	}
	return body, nil
}
