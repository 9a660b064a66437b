package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"edged/internal/lab/ca"
)

// Where everybody is who speaks SIP.
const (
	SIPEdge     = "127.0.3.1:5061"
	SIPInside   = "127.0.3.2:5061"
	SIPSink     = "127.0.3.3:5061"
	SIPCopier   = "127.0.3.7:5061"
	SIPRaw      = "127.0.3.7:5062" // reads whatever comes after TLS
	SIPDropper  = "127.0.3.8:5061"
	SIPAnswerer = "127.0.3.11:5061"
	SIPFar      = "127.0.3.12:5061" // the partner's edge
	Kamailio    = "127.0.3.9:5061"
	KamailioOut = "127.0.3.10:5061" // where it sends from
)

// Names of whatever stands at the border.
const (
	SIPHost       = "sip.pool.example"
	SIPInsideHost = "edge.inside.example"
)

// Domains of the hostile crowd.
const (
	Flooder  = "flooder.example"  // a partner
	Staller  = "staller.example"  // a partner
	Stranger = "stranger.example" // no partner, with a certificate from a known authority
)

// SIPAlways is how many partners every edge has.
const SIPAlways = 3

// SIPPartner is the domain of one of many partners.
func SIPPartner(i int) string { return fmt.Sprintf("partner%05d.example", i) }

// SIPOptions are what an edge is given beside its defaults.
type SIPOptions struct {
	Partners    int // configured beside the SIPAlways: Partner, Flooder and Staller
	Connections int // limits.connections; 0 leaves it
}

func (o SIPOptions) partners() []string {
	all := []string{Partner, Flooder, Staller}
	for i := range o.Partners {
		all = append(all, SIPPartner(i))
	}
	return all
}

// writeSIP issues what the programs of the SIP half need.
func (w *World) writeSIP() error {
	var errs []error
	for base, names := range map[string][]string{
		"sip":    {SIPHost, Pool, SIPInsideHost},
		Stranger: {Stranger}, Staller: {Staller},
	} {
		_, _, err := w.public.Issue(ca.Leaf{DNS: names}).WriteFiles(w.Dir, base)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// SIPEdged runs edged's SIP half. argv starts it but for the name of its
// configuration.
func (w *World) SIPEdged(ctx context.Context, argv []string, o SIPOptions) (*Process, error) {
	data := map[string]any{
		"Outside": SIPEdge, "Inside": SIPInside, "Sink": SIPSink, "Pool": Pool, "Host": SIPHost, "InsideHost": SIPInsideHost,
		"DNS": w.Outside.Addr(), "Partners": o.partners(), "Connections": o.Connections,
	}
	if err := errors.Join(w.writeEdge(), w.render("sip.yaml", data), w.render("sip-policy.yaml", data)); err != nil {
		return nil, err
	}
	return w.started(ctx, "edged", nil, append(argv, w.file("sip.yaml")), SIPEdge, SIPInside)
}

// SIPGather runs a part of this program that is a crowd, with less of a right to
// its CPUs than others, until all of it are there.
func (w *World) SIPGather(ctx context.Context, role, cpus string) (*Process, error) {
	argv, err := w.ourselves(role, append([]string{"nice", "-n", "19"}, On(cpus)...))
	if err != nil {
		return nil, err
	}
	gathered := w.file(gatheredFile)
	_ = os.Remove(gathered) // of the crowd before
	p, err := w.Start(role, nil, argv...)
	if err != nil {
		return nil, err
	}
	if err := p.until(ctx, func() bool { return exists(gathered) }); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s: not all are there: %w", role, err)
	}
	return p, nil
}

// Gathered tells that a crowd is there. A search among its connections for one
// more that listens would take long.
func Gathered(dir string) error { return os.WriteFile(filepath.Join(dir, gatheredFile), nil, 0o600) }

const gatheredFile = "gathered"

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Kamailio runs Debian's Kamailio as it is fastest, with so many processes for
// TCP.
func (w *World) Kamailio(ctx context.Context, workers int, o SIPOptions) (*Process, error) {
	binary, err := exec.LookPath("kamailio")
	if err != nil {
		return nil, err
	}
	data := map[string]any{
		"Outside": Kamailio, "Inside": KamailioOut, "Sink": SIPSink, "Pool": Pool, "Host": SIPHost, "Workers": workers,
		"TLS": w.file("kamailio-tls.cfg"), "Cert": w.file("sip.crt"), "Key": w.file("sip.key"), "Roots": w.file("public-ca.crt"),
		"Partners": o.partners(),
	}
	if err := errors.Join(w.render("kamailio.cfg", data), w.render("kamailio-tls.cfg", data)); err != nil {
		return nil, err
	}
	// In the foreground, with much memory and the allocator that checks least.
	return w.started(ctx, "kamailio", nil, []string{
		binary, "-DD", "-E", "-m", "4096", "-M", "16", "-x", "fm", "-X", "fm", "-w", w.Dir, "-Y", w.Dir, "-f", w.file("kamailio.cfg"),
	}, Kamailio, KamailioOut)
}
