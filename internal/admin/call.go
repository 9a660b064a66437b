package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
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

// UnreachableError says that no daemon answers on a socket.
type UnreachableError struct {
	Socket string
	Err    error
}

// Error says why, as far as the system tells, and what to do.
func (e *UnreachableError) Error() string {
	why := "see whether it runs"
	switch {
	case errors.Is(e.Err, fs.ErrNotExist):
		why = "it does not run, or its admin.socket is elsewhere; start it (systemctl start edged), or name its configuration with --config"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		why = "it has ended and left the socket behind; start it (systemctl start edged)"
	case errors.Is(e.Err, fs.ErrPermission):
		why = "you may not use the socket; do this as root, or as a member of the group that edged runs as"
	case errors.Is(e.Err, context.DeadlineExceeded):
		why = "it was not ready in time; look into its log, or allow more by --timeout"
	}
	return fmt.Sprintf("edged does not answer on %s: %s (%v)", e.Socket, why, e.Err)
}

// Unwrap returns what the system said.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Call asks the daemon that listens on the socket, and returns the body of its
// answer. An answer other than 2xx is a *StatusError, and no answer an
// *UnreachableError.
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
		return nil, &UnreachableError{Socket: socket, Err: err}
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
