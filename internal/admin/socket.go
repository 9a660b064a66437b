package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// socketMode lets the daemon's user and group in. Until it is set, the usual
	// umask (022) keeps out everybody but the user: connecting needs write
	// permission.
	socketMode = 0o660
	// maxSocketPath is what fits Linux' sun_path with its closing zero (unix(7)).
	maxSocketPath = 107
	// probeTimeout bounds the look whether somebody answers on a socket.
	probeTimeout = time.Second
)

// ListenSocket listens on a unix socket that its owner and group may use. A
// socket left behind by a process that died is replaced; one that answers, or a
// file of another kind, is an error. The directory must exist.
func ListenSocket(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("admin socket %s: the path has %d bytes, at most %d are possible", path, len(path), maxSocketPath)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("admin socket %s: %w", path, err)
	}
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), ln.Close())
	}
	return callers{ln.(*net.UnixListener)}, nil //nolint:forcetypeassert // what "unix" is
}

// removeStale makes the path free, if nobody answers on it.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is a file of that name that is no socket; remove it or choose another path")
	}
	dialer := net.Dialer{Timeout: probeTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return errors.Join(errors.New("another process answers on it; is edged running already?"), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist): // its owner removed it just now
		return nil
	}
	return fmt.Errorf("cannot tell whether another process uses it: %w", err)
}
