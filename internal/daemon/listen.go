package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"

	"edged/internal/config"
)

// sockets opens listeners, and hands out those that systemd passed to us
// (sd_listen_fds(3)), each by its FileDescriptorName.
type sockets struct {
	handed map[string][]*os.File
}

// handedOver collects what systemd passed, once: the environment is cleared.
func handedOver() *sockets {
	s := &sockets{handed: make(map[string][]*os.File)}
	for _, f := range activation.Files(true) {
		s.handed[f.Name()] = append(s.handed[f.Name()], f)
	}
	return s
}

// open listens on an address, or takes the sockets of that name.
func (s *sockets) open(ctx context.Context, field string, a config.Address) ([]net.Listener, error) {
	if a.FD == "" {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", a.String())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		return []net.Listener{l}, nil
	}
	files := s.handed[a.FD]
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: systemd passed no socket named %s; set FileDescriptorName=%s in the socket unit", field, a.FD, a.FD)
	}
	delete(s.handed, a.FD)
	var all []net.Listener
	for _, f := range files {
		l, err := net.FileListener(f)
		_ = f.Close() // FileListener has a copy
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("%s: socket %s: %w", field, a.FD, err)
		}
		all = append(all, l)
	}
	return all, nil
}

// openAll opens a list of listeners, all or none.
func (s *sockets) openAll(ctx context.Context, field string, list []config.Listen) ([]net.Listener, error) {
	var all []net.Listener
	var errs []error
	for i := range list {
		opened, err := s.open(ctx, fmt.Sprintf("%s[%d]", field, i), list[i].Address)
		all = append(all, opened...)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(all)
		return nil, err
	}
	return all, nil
}

// unused closes the sockets that no field of the configuration names.
func (s *sockets) unused() []string {
	var names []string
	for name, files := range s.handed {
		names = append(names, name)
		for _, f := range files {
			_ = f.Close()
		}
	}
	return names
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close()
	}
}

// portOf returns the port of the first listener: the one that Via and
// Record-Route name.
func portOf(all []net.Listener) uint16 {
	for _, l := range all {
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			return a.AddrPort().Port()
		}
	}
	return 5061
}
