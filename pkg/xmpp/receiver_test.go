package xmpp

import (
	"context"
	"errors"
	"net"
	"strconv"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
)

// receiver is a partner's server that takes one stream after the other, so that what it
// got has an order, and ends some of them while stanzas come.
type receiver struct {
	l       net.Listener
	managed bool
	got     chan int                       // the numbers of stanzas, as they come
	after   map[int]func(*xmpppeer.Stream) // what happens after so many
	count   int
	pace    chan struct{} // holds what was sent and has not arrived
	done    chan struct{}
}

func (b *bed) receiver(r *receiver) *receiver {
	r.l, r.got, r.done = listen(b.t), make(chan int, 100_000), make(chan struct{})
	b.publish(theirs, r.l.Addr().String(), false)
	ctx, stop := context.WithCancel(b.ctx)
	go r.serve(ctx, b.world.public.Issue(ca.Leaf{DNS: []string{theirs}}))
	b.t.Cleanup(func() {
		stop()
		_ = r.l.Close()
		<-r.done
	})
	return r
}

func (r *receiver) serve(ctx context.Context, cert ca.Cert) {
	defer close(r.done)
	for {
		conn, err := r.l.Accept()
		if err != nil {
			return
		}
		o := xmpppeer.AcceptOptions{Domain: theirs, Certificate: &cert.TLS}
		if r.managed {
			o.Final = []string{xmpppeer.OfferManagement}
		}
		if s, err := xmpppeer.Accept(ctx, conn, o); err == nil {
			r.read(ctx, s)
		}
	}
}

func (r *receiver) read(ctx context.Context, s *xmpppeer.Stream) {
	defer s.Close()
	for n := uint32(0); ; {
		e, err := s.Next(ctx)
		switch {
		case errors.Is(err, xmpppeer.ErrEnd):
			_ = s.End()
			return
		case err != nil:
			return
		case e.Is("enable", xmpppeer.NSManagement):
			_ = s.Send("<enabled xmlns='" + xmpppeer.NSManagement + "'/>")
		case e.Is("r", xmpppeer.NSManagement):
			_ = s.SendAck(n)
		case e.Name == "message":
			n++
			r.count++
			number, _ := strconv.Atoi(e.Attr("id"))
			r.got <- number
			select {
			case <-r.pace:
			default:
			}
			if act := r.after[r.count]; act != nil {
				act(s)
			}
		}
	}
}
