package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
	"edged/pkg/store"
	"edged/pkg/trace"
)

// Options are what the command line says.
type Options struct {
	ConfigPath string       // edged.yaml
	Version    string       // of the program, for logs and metrics
	Log        *slog.Logger // nil: standard error, as the configuration says
	LogTo      io.Writer    // in place of standard error
	SelfCheck  SelfCheck    // for the status page; nil looks at nothing
}

// Daemon is a running edge.
type Daemon struct {
	options   Options
	log       *slog.Logger
	own       *logger // nil if Options.Log was given
	auditTold *rate.Limiter
	metrics   *metrics

	current  atomic.Pointer[build]
	members  map[string]*nexthop.Pool // owned by Start, then by the reload goroutine
	server   *sipfed.Server           // nil if SIP is not configured
	xmpp     xmppPart
	keeps    bool // consent is kept
	tap      trace.Tap
	rates    rates
	history  history
	failures failures
	checks   checks
	recheck  chan struct{} // asks for a SelfCheck
	started  time.Time
	store    *store.Store                 // nil if it could not be opened, or release has closed it
	forgets  atomic.Bool                  // consent or a watch list is not kept
	watch    map[string]*limit.Discovered // by protocol; fixed once serving

	insideDNS insideDNSPart

	external, internal []net.Listener
	pages              []*admin.Server
	addrs              map[string]net.Addr
	reloads            chan reloadRequest
	stopping           atomic.Bool

	ctx    context.Context //nolint:containedctx // the life of what serve starts, ended by Stop
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Start reads the configuration, opens the listeners and serves. On an error
// nothing is left behind.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	l, m, err := load(o.ConfigPath)
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		options: o, members: make(map[string]*nexthop.Pool), addrs: make(map[string]net.Addr),
		watch:   make(map[string]*limit.Discovered),
		reloads: make(chan reloadRequest), metrics: newMetrics(o.Version), recheck: make(chan struct{}, 1), started: time.Now(),
		auditTold: rate.NewLimiter(rate.Every(time.Minute), 1),
	}
	d.metrics.watchCRLs(d.staleCRLs)
	d.metrics.watchState(d.stateUsable)
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	d.openLog(l.Config.Log)
	if err := d.start(ctx, l, m); err != nil {
		d.cancel()
		_ = d.release() // err is what went wrong
		d.work.Wait()
		return nil, err
	}
	d.log.Info("serving", slog.String("version", o.Version), slog.String("config_hash", l.Hash),
		slog.String("policy_hash", l.PolicyHash), slog.Any("listen", d.listening()), slog.String("metrics", d.where("metrics")))
	return d, nil
}

func (d *Daemon) openLog(c config.Log) {
	d.log = d.options.Log
	if d.log != nil {
		return
	}
	w := d.options.LogTo
	if w == nil {
		w = os.Stderr
	}
	d.own = newLogger(w, c)
	d.log = d.own.Logger
}

func (d *Daemon) start(ctx context.Context, l *config.Loaded, m *material) error {
	handed := handedOver()
	d.keeps = l.Config.XMPP.Serves()
	err := d.listen(ctx, handed, &l.Config)
	for _, name := range handed.unused() {
		d.log.Warn("socket of systemd is not used", slog.String("name", name))
	}
	if err != nil {
		return err
	}
	b, err := d.assemble(l, m)
	if err != nil {
		return err
	}
	d.openStore(&l.Config)
	if l.Config.SIP.Serves() {
		d.watchStrangers(b, policy.SIP)
		config := sipfed.Config{Log: d.log, Metrics: sipfed.NewMetrics(d.metrics.registry), Tap: &d.tap, Dial: d.dial}
		if d.server, err = sipfed.New(config, d.state(b)); err != nil {
			b.drop()
			return err
		}
		d.metrics.watchQueues("sip", func() float64 { return d.server.QueueFill(sipfed.External) }, func() float64 { return d.server.QueueFill(sipfed.Internal) })
	}
	if d.keeps {
		if err = d.startXMPP(b); err == nil {
			err = d.startInsideDNS(ctx, b)
		}
		if err != nil {
			d.end(context.WithoutCancel(ctx))
			b.drop()
			return err
		}
	}
	d.inForce(b)
	d.metrics.good(true)
	d.history.add("start", l, nil)
	d.serve()
	return nil
}

// listen opens every socket of the configuration, all or none.
func (d *Daemon) listen(ctx context.Context, s *sockets, c *config.Config) error {
	var errs [6]error
	d.external, errs[0] = s.openAll(ctx, "sip.external.listen", c.SIP.External.Listen)
	d.internal, errs[1] = s.openAll(ctx, "sip.internal.listen", c.SIP.Internal.Listen)
	errs[2] = d.openMetrics(ctx, s, c.Metrics.Listen)
	errs[3] = d.openAdmin(ctx, s, c.Admin)
	errs[4] = d.listenXMPP(ctx, s, c)
	errs[5] = d.listenInsideDNS(ctx, s, c)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for name, all := range map[string][]net.Listener{"sip.external": d.external, "sip.internal": d.internal} {
		if len(all) > 0 {
			d.addrs[name] = all[0].Addr()
		}
	}
	return nil
}

func (d *Daemon) openMetrics(ctx context.Context, s *sockets, a config.Address) error {
	if a.IsZero() {
		return nil
	}
	all, err := s.open(ctx, "metrics.listen", a)
	if err != nil {
		return err
	}
	for _, l := range all {
		d.addrs["metrics"] = l.Addr()
		d.pages = append(d.pages, admin.ServeMetrics(fairly(l), d.metrics.registry, d.funcs(), d.log))
	}
	return nil
}

// openAdmin opens the socket that steers the daemon, and admin.listen, which serves the
// status page and steers nothing: who may reload is decided by the file mode of the
// socket.
func (d *Daemon) openAdmin(ctx context.Context, s *sockets, c config.Admin) error {
	if c.Socket != "" {
		l, err := admin.ListenSocket(ctx, c.Socket)
		if err != nil {
			return fmt.Errorf("admin.socket: %w", err)
		}
		d.addrs["admin"] = l.Addr()
		d.pages = append(d.pages, admin.ServeAdmin(l, d.funcs(), d.log))
	}
	if c.Listen.IsZero() {
		return nil
	}
	all, err := s.open(ctx, "admin.listen", c.Listen)
	if err != nil {
		return err
	}
	if err := forThisHost(all); err != nil {
		closeAll(all)
		return err
	}
	for _, l := range all {
		page, err := admin.ServePage(l, d.metrics.registry, d.funcs(), d.log)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		d.addrs["admin.listen"] = l.Addr()
		d.pages = append(d.pages, page)
	}
	return nil
}

// forThisHost refuses sockets of systemd's that others can reach; of addresses in
// edged.yaml config does.
func forThisHost(all []net.Listener) error {
	for _, l := range all {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return fmt.Errorf("admin.listen: %s can be reached by others, for whom metrics.listen is; let the socket unit listen on a loopback address", a)
		}
	}
	return nil
}

// funcs is what the admin pages may ask.
func (d *Daemon) funcs() admin.Funcs {
	f := admin.Funcs{
		Ready:       d.ready,
		Reload:      d.Reload,
		Running:     d.running,
		Connections: d.connections,
		Pools:       d.pools,
		Status:      d.status,
		Trace:       d.trace,
	}
	f.ListWatched, f.ReleaseWatched = d.listWatched, d.releaseWatched
	if d.keeps {
		f.ListConsent, f.RemoveConsent = d.listConsent, d.removeConsent
	}
	return f
}

func (d *Daemon) ready() error {
	switch {
	case d.current.Load() == nil:
		return errors.New("starting")
	case d.stopping.Load():
		return errors.New("stopping")
	default:
		return nil
	}
}

// serve starts what runs for the daemon's whole life.
func (d *Daemon) serve() {
	for _, l := range d.external {
		d.work.Go(func() { d.accept(sipfed.External, l) })
	}
	for _, l := range d.internal {
		d.work.Go(func() { d.accept(sipfed.Internal, l) })
	}
	d.serveXMPP()
	d.work.Go(d.reloadLoop)
	if d.addrs["admin.listen"] == nil {
		return
	}
	d.work.Go(func() { d.sampleLoop(d.ctx) })
	if d.options.SelfCheck != nil {
		d.work.Go(func() { d.checkLoop(d.ctx, d.options.SelfCheck) })
	}
}

func (d *Daemon) accept(side sipfed.Side, l net.Listener) {
	if err := d.server.Serve(side, l, balancersOf(l)...); err != nil && !d.stopping.Load() {
		d.log.Error("listener failed", slog.String("side", side.String()), slog.Any("err", err))
	}
}

// Addr returns where a listener really listens: "sip.external", "sip.internal",
// "xmpp.external", "xmpp.direct_tls", "xmpp.internal", "xmpp.internal.dns", "metrics",
// "admin" (the socket) or "admin.listen"; nil if there is none.
func (d *Daemon) Addr(name string) net.Addr { return d.addrs[name] }

// where is Addr as text, "" if there is none.
func (d *Daemon) where(name string) string {
	if a := d.addrs[name]; a != nil {
		return a.String()
	}
	return ""
}

func (d *Daemon) listening() []string {
	var all []string
	for _, group := range [][]net.Listener{d.external, d.internal, d.xmpp.external, d.xmpp.direct, d.xmpp.internal} {
		for _, l := range group {
			all = append(all, l.Addr().String())
		}
	}
	return all
}

// Stop ends the daemon in stages: no new connections, no new requests, what is
// under way may finish until ctx ends, then everything is closed.
func (d *Daemon) Stop(ctx context.Context) error {
	d.stopping.Store(true)
	d.log.Info("stopping")
	d.end(ctx)
	d.cancel()
	err := d.release()
	d.work.Wait()
	if b := d.current.Load(); b != nil {
		b.resolver.Close()
	}
	d.log.Info("stopped")
	if d.own != nil {
		d.own.audit.use(nil)
	}
	return err
}

// end stops what speaks with others, both protocols at the same time.
func (d *Daemon) end(ctx context.Context) {
	var both sync.WaitGroup
	if d.server != nil {
		both.Go(func() { d.server.Shutdown(ctx) })
	}
	both.Go(func() { d.xmpp.stop(ctx) })
	both.Wait()
}

// release closes what listens, and what is kept on disk.
func (d *Daemon) release() error {
	closeAll(d.external)
	closeAll(d.internal)
	d.insideDNS.release()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	errs := []error{d.xmpp.release(), d.closeStore()}
	d.tap.Close() // who follows messages would hold the pages open
	for _, p := range d.pages {
		// A client that has connected and asks nothing, as health checks do, is cut
		// off after that second: no fault of this edge.
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// dial opens a connection to a next hop, from the configured source address of
// its family, if there is one.
func (d *Daemon) dial(ctx context.Context, side sipfed.Side, to netip.AddrPort) (net.Conn, error) {
	var from []netip.Addr
	if side == sipfed.External {
		from = d.current.Load().loaded.Config.SIP.External.DialFrom
	}
	return dialFrom(ctx, from, to)
}

func dialFrom(ctx context.Context, sources []netip.Addr, to netip.AddrPort) (net.Conn, error) {
	var dialer net.Dialer
	for _, from := range sources {
		if from.Unmap().Is4() == to.Addr().Unmap().Is4() {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
	}
	return dialer.DialContext(ctx, "tcp", to.String())
}
