package daemon

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// Run is `edged serve`: Start, signals, systemd's notifications, Stop. SIGHUP
// reloads; SIGTERM and SIGINT stop in stages, a second one at once.
func Run(ctx context.Context, o Options) error {
	hangup, stop := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(hangup)
	defer signal.Stop(stop)
	d, err := Start(ctx, o)
	if err != nil {
		return err
	}
	d.notify(sd.SdNotifyReady)
	alive := d.watchdog()
	defer alive.Stop()
	for {
		select {
		case <-hangup:
			d.reloadForSystemd(ctx)
		case <-alive.C:
			d.notify(sd.SdNotifyWatchdog)
		case s := <-stop:
			d.log.Info("signal", slog.String("signal", s.String()))
			return d.stopFor(ctx)
		case <-ctx.Done():
			return d.stopFor(context.WithoutCancel(ctx))
		}
	}
}

// stopFor stops within limits.drain_timeout, or at once on another signal.
func (d *Daemon) stopFor(ctx context.Context) error {
	d.notify(sd.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(ctx, d.current.Load().loaded.Config.Limits.DrainTimeout)
	defer cancel()
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer release()
	return d.Stop(ctx)
}

func (d *Daemon) reloadForSystemd(ctx context.Context) {
	d.notify(sd.SdNotifyReloading)
	status := "STATUS=serving"
	if err := d.Reload(ctx); err != nil {
		status = "STATUS=serving with the old configuration: the last reload was refused"
	}
	d.notify(sd.SdNotifyReady + "\n" + status)
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
