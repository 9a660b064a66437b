package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
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
		why = "it does not run, or its admin.socket is elsewhere; start it (systemctl start edged), or name its socket with --socket or its configuration with --config"
	case errors.Is(e.Err, errNoSocket):
		why = "name the socket that it listens on, the admin.socket of its configuration"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		why = "it has ended and left the socket behind; start it (systemctl start edged)"
	case errors.Is(e.Err, fs.ErrPermission):
		why = "you may not use the socket; do this as root, or as a member of the group that edged runs as"
	case errors.Is(e.Err, context.DeadlineExceeded):
		why = "it was not ready in time; look into its log, or allow more by --timeout"
	}
	return fmt.Sprintf("edged does not answer on %s: %s (%v)", e.Socket, why, e.Err)
}

var errNoSocket = errors.New("the file is no socket")

// Unwrap returns what the system said.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Call asks the daemon that listens on the socket, and returns the body of its
// answer. An answer other than 2xx is a *StatusError, and no answer an
// *UnreachableError.
func Call(ctx context.Context, socket, method, path string) ([]byte, error) {
	answer, end, err := open(ctx, socket, method, path, 0)
	if err != nil {
		return nil, err
	}
	defer end()
	return readAnswer(answer)
}

// open sends a request and returns the answer, whose header has to come within timeout
// unless that is 0. end has to be called when its body is done with.
func open(ctx context.Context, socket, method, path string, timeout time.Duration) (answer *http.Response, end func(), err error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			if info, err := os.Stat(socket); err == nil && info.Mode().Type() != fs.ModeSocket {
				return nil, errNoSocket // the system refuses it as it does a socket without a listener
			}
			return d.DialContext(ctx, "unix", socket)
		},
		ResponseHeaderTimeout: timeout,
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://edged"+path, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	if answer, err = transport.RoundTrip(r); err != nil {
		transport.CloseIdleConnections()
		return nil, nil, &UnreachableError{Socket: socket, Err: err}
	}
	return answer, transport.CloseIdleConnections, nil
}

// Stream asks the daemon that listens on the socket for lines that never end, and hands
// them to each until ctx ends or each returns an error, which Stream returns then. An
// answer other than 2xx is a *StatusError, and no answer within timeout an
// *UnreachableError; the end of the lines is nil.
func Stream(ctx context.Context, socket, path string, timeout time.Duration, each func(line []byte) error) error {
	answer, end, err := open(ctx, socket, "GET", path, timeout)
	if err != nil {
		return err
	}
	defer end()
	if answer.StatusCode/100 != 2 {
		_, err := readAnswer(answer)
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return ctx.Err()
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
