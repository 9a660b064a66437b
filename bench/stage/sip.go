package stage

import (
	"context"
	"errors"
	"os/exec"

	"edged/internal/lab/ca"
)

// Where everybody is who speaks SIP.
const (
	SIPEdge     = "127.0.3.1:5061"
	SIPInside   = "127.0.3.2:5061"
	SIPSink     = "127.0.3.3:5061"
	SIPCopier   = "127.0.3.7:5061"
	SIPDropper  = "127.0.3.8:5061"
	SIPAnswerer = "127.0.3.11:5061"
	Kamailio    = "127.0.3.9:5061"
	KamailioOut = "127.0.3.10:5061" // where it sends from
)

// SIPHost is the name of whatever stands at the border.
const SIPHost = "sip.pool.example"

// writeSIP issues what the programs of the SIP half need.
func (w *World) writeSIP() error {
	_, _, err := w.public.Issue(ca.Leaf{DNS: []string{SIPHost, Pool, "edge.inside.example"}}).WriteFiles(w.Dir, "sip")
	return err
}

// SIPEdged runs edged's SIP half with the limits it has by default. argv starts it
// but for the name of its configuration.
func (w *World) SIPEdged(ctx context.Context, argv []string, partners ...string) (*Process, error) {
	data := map[string]any{
		"Outside": SIPEdge, "Inside": SIPInside, "Sink": SIPSink, "Pool": Pool, "Host": SIPHost,
		"DNS": w.Outside.Addr(), "Partners": append([]string{Partner}, partners...),
	}
	if err := errors.Join(w.writeEdge(), w.render("sip.yaml", data), w.render("sip-policy.yaml", data)); err != nil {
		return nil, err
	}
	return w.started(ctx, "edged", nil, append(argv, w.file("sip.yaml")), SIPEdge, SIPInside)
}

// Kamailio runs Debian's Kamailio as it is fastest, with so many processes for
// TCP.
func (w *World) Kamailio(ctx context.Context, workers int) (*Process, error) {
	binary, err := exec.LookPath("kamailio")
	if err != nil {
		return nil, err
	}
	data := map[string]any{
		"Outside": Kamailio, "Inside": KamailioOut, "Sink": SIPSink, "Pool": Pool, "Host": SIPHost, "Workers": workers,
		"TLS": w.file("kamailio-tls.cfg"), "Cert": w.file("sip.crt"), "Key": w.file("sip.key"), "Roots": w.file("public-ca.crt"),
		"Partners": []string{Partner},
	}
	if err := errors.Join(w.render("kamailio.cfg", data), w.render("kamailio-tls.cfg", data)); err != nil {
		return nil, err
	}
	// In the foreground, with much memory and the allocator that checks least.
	return w.started(ctx, "kamailio", nil, []string{
		binary, "-DD", "-E", "-m", "4096", "-M", "16", "-x", "fm", "-X", "fm", "-w", w.Dir, "-Y", w.Dir, "-f", w.file("kamailio.cfg"),
	}, Kamailio, KamailioOut)
}
