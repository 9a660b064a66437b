package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrDiffers says that at least one verdict was not the expected one.
var ErrDiffers = errors.New("lab: not as expected")

// Run starts a world, plays every scenario in it and prints one line for each to
// o.Out. Unless o.Once is set it then stays up until ctx is done. It returns
// ErrDiffers, wrapped, if a verdict was not what the lab expects, and other
// errors if the world could not be started.
func Run(ctx context.Context, o Options) error {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.acts == nil {
		o.acts = acts()
	}
	w, err := Start(ctx, o)
	if err != nil {
		return err
	}
	p := newPrinter(o.Out, o.acts)
	w.introduce(p)
	err = w.perform(ctx, p, o.acts)
	if !o.Once && ctx.Err() == nil {
		err = errors.Join(err, w.stayUp(ctx, p))
	}
	return errors.Join(err, w.Stop(context.WithoutCancel(ctx)))
}

// Play plays every scenario in a world, prints one line for each to out, and returns
// ErrDiffers, wrapped, if a verdict was not what the lab expects.
func (w *World) Play(ctx context.Context, out io.Writer) error {
	all := acts()
	return w.perform(ctx, newPrinter(out, all), all)
}

// perform plays all acts and counts what differs.
func (w *World) perform(ctx context.Context, p *printer, acts []act) error {
	h, begin, wrong := newShow(w), time.Now(), 0
	for _, a := range acts {
		if err := w.Set(ctx, a.settings); err != nil {
			return fmt.Errorf("lab: before %q: %w", a.title, err)
		}
		p.title(a.title)
		for _, t := range a.turns {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r := t.run(ctx, h)
			p.line(r)
			wrong += min(len(r.Wrong), 1)
		}
	}
	p.total(wrong, time.Since(begin))
	if wrong > 0 {
		return fmt.Errorf("%w: %d of %d verdicts", ErrDiffers, wrong, p.count)
	}
	return nil
}

// introduce says what has been started.
func (w *World) introduce(p *printer) {
	p.say("The edge of contoso.com between %d partners and its pools, with DNS and authorities: all on loopback.", len(partners())+len(chats())-1)
	p.say("The edge was started by %s.", w.Config())
	p.columns()
}

// stayUp switches everything on again, says what can be looked at, and waits
// until ctx is done.
func (w *World) stayUp(ctx context.Context, p *printer) error {
	if err := w.Set(ctx, everything()); err != nil {
		return fmt.Errorf("lab: after the last act: %w", err)
	}
	w.invite(p)
	<-ctx.Done()
	return nil
}

func (w *World) invite(p *printer) {
	p.say("\nThe lab stays up until interrupted.")
	p.say("  status page  http://%s/", w.Addr("admin.listen"))
	p.say("  metrics      http://%s/metrics", w.Addr("metrics"))
	p.say("  SIP outside  %s", w.Addr("sip.external"))
	p.say("  SIP inside   %s", w.Addr("sip.internal"))
	p.say("  XMPP outside %s", w.Addr("xmpp.external"))
	p.say("  XMPP inside  %s", w.Addr("xmpp.internal"))
	p.say("  DNS          %s", w.Zone.Addr())
	p.say("  files        %s", w.Dir)
	p.say("Ask the same policy: edged explain --config %s %s %s", w.Config(), robin, carol)
}
