package debian

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"edged/internal/config/configtest"
)

const (
	restarts  = 6
	perSecond = 500 // new connections
)

// restart restarts the service six times under new connections. systemd holds the
// sockets: nobody is refused, and everybody gets an answer.
func (m *machine) restart(t *testing.T) {
	t.Helper()
	l := newLoad(t)
	stop, done := make(chan struct{}), make(chan error, 1)
	begin := time.Now()
	go func() { done <- m.inside(func() error { return l.run(outside, stop) }) }()
	for n := range restarts {
		eventually(t, "there is load", func() error { return l.atLeast(n * perSecond / 4) })
		pid := m.property(t, "MainPID")
		m.run(t, "systemctl", "restart", "edged.service")
		if m.property(t, "MainPID") == pid {
			t.Error("the same process runs")
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	l.handshakes.Wait()
	t.Logf("%d restarts in %.1f s, %d connections (%.0f/s): %d refused, %d answered, %d cut off",
		restarts, took.Seconds(), l.dialled, float64(l.dialled)/took.Seconds(), l.refused, l.answered, l.dialled-l.refused-l.answered)
	if l.refused > 0 || l.answered < l.dialled {
		t.Errorf("the first that failed: %v", l.first)
	}
}

// load is a stream of new connections.
type load struct {
	config     *tls.Config
	handshakes sync.WaitGroup
	dialled    int // owned by run, until it returns
	refused    int

	mu       sync.Mutex
	answered int
	first    error
}

// newLoad makes the load of a partner that the edge trusts.
func newLoad(t *testing.T) *load {
	t.Helper()
	dir := filepath.Join(configtest.Lay(t), "tls")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "inside.crt"), filepath.Join(dir, "inside.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &load{config: &tls.Config{
		Certificates: []tls.Certificate{pair}, ServerName: "sip.contoso.com", InsecureSkipVerify: true, // it is counted, not trusted
	}}
}

// run dials until it is told to stop, each connection when it is due, whatever became
// of those before it.
func (l *load) run(addr string, stop <-chan struct{}) error {
	for begin := time.Now(); ; {
		due := time.NewTimer(time.Until(begin.Add(time.Duration(l.dialled) * time.Second / perSecond)))
		select {
		case <-due.C:
		case <-stop:
			due.Stop()
			return nil
		}
		l.dialled++
		conn, err := net.DialTimeout("tcp", addr, patience)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, os.ErrDeadlineExceeded):
			l.refused++
			l.note(err)
		case err != nil:
			return err
		default:
			l.handshakes.Go(func() { l.shake(conn) })
		}
	}
}

// shake does what a partner does next.
func (l *load) shake(conn net.Conn) {
	defer conn.Close()
	c := tls.Client(conn, l.config)
	_ = c.SetDeadline(time.Now().Add(patience))
	l.note(c.Handshake())
}

// atLeast wants so many answers.
func (l *load) atLeast(n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answered < n {
		return fmt.Errorf("%d answers, want %d", l.answered, n)
	}
	return nil
}

// note counts an answer, or keeps the first failure.
func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.answered++
	case l.first == nil:
		l.first = err
	}
}
