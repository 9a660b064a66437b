package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"edged/internal/admin"
)

// Run is `edged serve`: Start, signals, systemd's notifications, Stop. SIGHUP
// reloads; SIGTERM and SIGINT stop in stages, a second one at once.
func Run(ctx context.Context, o Options) error {
	hangup, stop := make(chan os.Signal, 1), make(chan os.Signal, 2) // a second one may follow at once
	signal.Notify(hangup, syscall.SIGHUP)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(hangup)
	defer signal.Stop(stop)
	d, err := Start(ctx, o)
	if err != nil {
		return err
	}
	d.notify(sd.SdNotifyReady + "\n" + (&failures{}).status())
	alive := d.watchdog()
	defer alive.Stop()
	reloaded := make(chan struct{}, 1)
	asked := hangup // nil while a reload is under way
	for {
		select {
		case <-asked:
			asked = nil
			d.notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec()) // sd_notify(3) wants both in one message
			// Beside this loop: a reload may wait for the DNS, the watchdog does not.
			d.work.Go(func() {
				err := d.Reload(ctx) // it is in the log and in the status
				admin.LogAct(ctx, d.log, "reload", "SIGHUP", admin.Result(err == nil))
				reloaded <- struct{}{}
			})
		case <-reloaded:
			asked = hangup
			d.notify(sd.SdNotifyReady)
		case <-alive.C:
			d.notify(sd.SdNotifyWatchdog)
		case s := <-stop:
			d.log.Info("signal", slog.String("signal", s.String()))
			return d.stopFor(ctx, stop)
		case <-ctx.Done():
			return d.stopFor(context.WithoutCancel(ctx), stop)
		}
	}
}

// stopFor stops within limits.drain_timeout, or at once on another signal.
func (d *Daemon) stopFor(ctx context.Context, again <-chan os.Signal) error {
	d.notify(sd.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(ctx, d.current.Load().loaded.Config.Limits.DrainTimeout)
	defer cancel()
	d.work.Go(func() {
		select {
		case s := <-again:
			d.log.Info("signal", slog.String("signal", s.String()))
			cancel()
		case <-d.ctx.Done(): // stopped
		}
	})
	return d.Stop(ctx)
}

// status is what `systemctl status` shows after a reload, whoever asked for it.
func (f *failures) status() string {
	switch {
	case f.reload != nil:
		return "STATUS=serving with the old configuration: the last reload was refused"
	case f.refresh != nil:
		return "STATUS=serving with the old certificates: they could not be read again"
	}
	return "STATUS=serving"
}

// watchdog ticks twice as often as systemd wants to hear from us; never, where
// it does not.
func (d *Daemon) watchdog() *time.Ticker {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(every / 2)
}

func (d *Daemon) notify(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		d.log.Warn("systemd was not notified", slog.Any("err", err))
	}
}
