package stage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// IdleDomain is the domain of quiet partner i, below MaxIdle.
func IdleDomain(i int) string { return fmt.Sprintf("quiet%03d.example", i) }

// Secret is the password of a component.
func Secret(component string) string { return "secret of " + component }

// Edged runs edged's XMPP half with the limits it has by default. argv starts it
// but for the name of its configuration.
func (w *World) Edged(ctx context.Context, argv []string) (*Process, error) {
	quiet := make([]string, MaxIdle)
	for i := range quiet {
		quiet[i] = IdleDomain(i)
	}
	data := map[string]any{
		"Outside": EdgeOutside, "Inside": EdgeInside, "Sink": Sink, "Ejabberd": Ejabberd, "Pool": Pool, "EjabFar": EjabFar,
		"DNS": w.Outside.Addr(), "Partner": Partner, "ProsodyFar": ProsodyFar, "Quiet": quiet,
	}
	if err := errors.Join(w.writeEdge(), w.render("edged.yaml", data), w.render("policy.yaml", data)); err != nil {
		return nil, err
	}
	return w.started(ctx, "edged", nil, append(argv, w.file("edged.yaml")), EdgeOutside, EdgeInside)
}

// writeEdge makes what an edge needs beside its certificates.
func (w *World) writeEdge() error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return errors.Join(w.write(map[string][]byte{"edge.secret": []byte(hex.EncodeToString(secret) + "\n")}), os.MkdirAll(w.file("state"), 0o700))
}

// Prosody runs Debian's Prosody.
func (w *World) Prosody(ctx context.Context) (*Process, error) {
	binary, err := exec.LookPath("prosody")
	if err != nil {
		return nil, err
	}
	err = w.render("prosody.cfg.lua", map[string]any{
		"Dir": w.Dir, "Host": host(Prosody), "DNS": strings.Replace(w.Outside.Addr(), ":", "@", 1), "Far": ProsodyFar, "Own": ProsodyOwn, "Secret": Secret,
	})
	if err != nil {
		return nil, err
	}
	return w.started(ctx, "prosody", nil, []string{binary, "-F", "--config", w.file("prosody.cfg.lua")}, Prosody, ProsodyComp)
}

// Ejabberd runs Debian's ejabberd without its control script, which would change
// the user and register a node.
func (w *World) Ejabberd(ctx context.Context) (*Process, error) {
	if _, err := exec.LookPath("ejabberdctl"); err != nil {
		if _, err := os.Stat("/usr/sbin/ejabberdctl"); err != nil {
			return nil, err
		}
	}
	libs, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	if err != nil || len(libs) == 0 {
		return nil, errors.New("ejabberd: no libraries")
	}
	dnsHost, dnsPort, err := net.SplitHostPort(w.Inside.Addr())
	if err != nil {
		return nil, err
	}
	cert, key := w.file("ejabberd.crt"), w.file("ejabberd.key")
	data := map[string]any{
		"Host": host(Ejabberd), "Far": EjabFar, "Own": EjabOwn, "Secret": Secret, "Cert": cert, "Key": key,
		"Roots": w.file("both.crt"), "DNSHost": erlangTuple(dnsHost), "DNSPort": dnsPort,
	}
	if err := errors.Join(w.render("ejabberd.yml", data), w.render("inetrc", data)); err != nil {
		return nil, err
	}
	env := []string{
		"ERL_LIBS=" + filepath.Dir(libs[0]), "ERL_INETRC=" + w.file("inetrc"), "ERL_CRASH_DUMP_BYTES=0", "HOME=" + w.Dir,
		"EJABBERD_CONFIG_PATH=" + w.file("ejabberd.yml"), "EJABBERD_LOG_PATH=" + w.file("ejabberd-own.log"),
	}
	argv := []string{
		"erl", "-noinput", "+K", "true", "+P", "250000",
		"-mnesia", "dir", fmt.Sprintf("%q", w.file("mnesia")), "-s", "ejabberd",
	}
	return w.started(ctx, "ejabberd", env, argv, Ejabberd, EjabberdComp, EjabberdEdge)
}

// Role runs another part of this program, such as cut, by way of what stands
// before it.
func (w *World) Role(ctx context.Context, role, listen string, by ...string) (*Process, error) {
	argv, err := w.ourselves(role, by)
	if err != nil {
		return nil, err
	}
	return w.started(ctx, role, nil, argv, listen)
}

func (w *World) ourselves(role string, by []string) ([]string, error) {
	self, err := os.Executable()
	return append(slices.Clone(by), self, role, w.Dir), err
}

func (w *World) started(ctx context.Context, name string, env, argv []string, addrs ...string) (*Process, error) {
	p, err := w.Start(name, env, argv...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.Await(ctx, addrs...); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// host is the address without the port.
func host(addr string) string {
	h, _, _ := net.SplitHostPort(addr)
	return h
}

// erlangTuple writes an IPv4 address as Erlang does.
func erlangTuple(ip string) string {
	b := net.ParseIP(ip).To4()
	return fmt.Sprintf("{%d,%d,%d,%d}", b[0], b[1], b[2], b[3])
}
