package sip

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// Ask sends an OPTIONS, and does not wait for its answer.
func Ask(c net.Conn, p Parties) error {
	_, err := c.Write(p.options().append(nil, 0))
	return err
}

// Check sends an OPTIONS on a new connection and waits for its 200: whoever is at
// the other end has accepted the certificate, which under TLS 1.3 the handshake
// does not tell.
func Check(ctx context.Context, c net.Conn, p Parties) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(patience)
	}
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if err := Ask(c, p); err != nil {
		return err
	}
	in := newScanner(c, func() error {
		_, err := io.WriteString(c, "\r\n")
		return err
	})
	for {
		m, err := in.next()
		if err != nil {
			return fmt.Errorf("no answer to OPTIONS: %w", err)
		}
		code, err := status(m)
		switch {
		case err != nil:
			return err
		case code < 200:
		case code != 200:
			return fmt.Errorf("OPTIONS is answered by %.300q", m)
		default:
			return c.SetDeadline(time.Time{})
		}
	}
}
