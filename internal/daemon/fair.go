package daemon

import (
	"math"
	"net"

	"edged/pkg/limit"
)

// maxScrapers is how many connections to metrics.listen one address may have: a quarter
// of what the server takes.
const maxScrapers = 16

// fair is a listener of which one address cannot take all connections.
type fair struct {
	net.Listener
	accept *limit.Accept
}

func fairly(ln net.Listener) net.Listener {
	return fair{ln, limit.NewAccept(limit.AcceptConfig{Connections: math.MaxInt, PerAddress: maxScrapers})}
}

// Accept closes what is too much.
func (l fair) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if release, err := l.accept.Admit(limit.AddrPort(conn.RemoteAddr()).Addr()); err == nil {
			return scraper{conn, release}, nil
		}
		_ = conn.Close()
	}
}

// scraper gives its place back when it closes.
type scraper struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c scraper) Close() error {
	c.release()
	return c.Conn.Close()
}
