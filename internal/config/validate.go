package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"edged/pkg/domain"
)

// validator finds what one field alone cannot tell. It runs on a Config that may
// have problems already, and stays silent about their consequences.
type validator struct {
	config   *Config
	document *document
	report   *report
	// unsure says that our domains could not all be read.
	unsure bool
	// draft says that files need not be there.
	draft bool
	// warnings are doubts that keep nothing from running.
	warnings []Problem
}

// all makes every check, in the order of the file.
func (v *validator) all() {
	v.unsure = v.report.hit(v.document.path, "domains")
	v.identity()
	v.tls()
	v.secret()
	v.required("state_dir", v.config.StateDir != "", "write a folder that edged may write to, such as /var/lib/edged")
	v.dns()
	v.sip()
	v.xmpp()
	v.listeners()
	v.limits()
	v.log()
	v.admin()
	v.required("policy", v.config.Policy != "", "write the path of the policy file, such as policy.yaml")
}

// bad reports what is wrong with the value at path, unless something is known to
// be wrong there.
func (v *validator) bad(path, format string, args ...any) {
	if !v.report.hit(v.document.path, path) {
		v.report.add(v.document.problem(path, fmt.Sprintf(format, args...)))
	}
}

// required reports a missing value and says what to write.
func (v *validator) required(path string, present bool, write string) {
	if !present {
		v.bad(path, "missing; %s", write)
	}
}

// identity checks what the edge is and speaks for.
func (v *validator) identity() {
	c := v.config
	v.required("fqdn", !c.FQDN.IsZero(), "write this edge's own name outside, such as sip.contoso.com")
	v.required("domains", len(c.Domains) > 0, "write what this edge speaks for, such as [contoso.com]")
	first := make(map[domain.Name]int)
	for i := range c.Domains {
		d, path := &c.Domains[i], item("domains", i)
		if d.Name.IsZero() {
			v.required(path+".name", false, "write the domain, such as contoso.com")
			continue
		}
		if before, ok := first[d.Name]; ok {
			v.bad(path, "%s is listed already, as domains[%d]; keep one", d.Name, before)
			continue
		}
		first[d.Name] = i
		if d.Protocols != nil && len(d.Protocols) == 0 {
			v.bad(path+".protocols", "empty; write [sip] or [xmpp], or leave it out for both")
		}
		v.required(path+".sip", !named(d.SIP, "sip", d.Name).IsZero(), "sip."+d.Name.String()+" is too long for a host name, write another")
		v.required(path+".xmpp", !named(d.XMPP, "xmpp", d.Name).IsZero(), "xmpp."+d.Name.String()+" is too long for a host name, write another")
	}
	for i, a := range c.PublicAddresses {
		if a.IsUnspecified() || a.IsMulticast() {
			v.bad(item("public_addresses", i), "no host has the address %s; write what our DNS records say", a)
		}
	}
}

// tls checks that the files of the external side are there. What is in them is
// judged when they are loaded.
func (v *validator) tls() {
	t := &v.config.TLS
	v.required("tls.certificates", len(t.Certificates) > 0, "write [{cert: FILE, key: FILE}] for "+orName(v.config.FQDN, "the fqdn"))
	for i, p := range t.Certificates {
		v.pair(item("tls.certificates", i), p)
	}
	v.roots("tls.roots", t.Roots, "who may sign partners: [system], or PEM files")
	for i, f := range t.CRLs {
		v.file(item("tls.crls", i), f, "fetch it from who issued it, or leave it out")
	}
	if t.CRL == CRLRequired {
		v.required("tls.crls", len(t.CRLs) > 0, "crl: required refuses everybody without them, write the files or crl: optional")
	}
}

// pair checks a certificate and its key.
func (v *validator) pair(path string, p Pair) {
	v.required(path+".cert", p.Cert != "", "write the certificate, a PEM file")
	v.required(path+".key", p.Key != "", "write the private key, a PEM file")
	v.file(path+".cert", p.Cert, "edged dns lists the names to get one for")
	v.key(path+".key", p.Key, "it comes with the certificate")
}

// key checks a private key, which not everybody on the host should read. Many a tool
// leaves it so; the gateway serves all the same.
func (v *validator) key(path, name, cure string) {
	v.file(path, name, cure)
	if info, err := os.Stat(name); err == nil && !v.draft && info.Mode().Perm()&0o007 != 0 {
		v.warnings = append(v.warnings, v.document.problem(path, fmt.Sprintf("%s is open to every user of this host (mode %04o); run chmod o= on it", name, info.Mode().Perm())))
	}
}

// roots checks a list of root certificates, which must not be empty.
func (v *validator) roots(path string, files []string, write string) {
	v.required(path, len(files) > 0, "write "+write)
	for i, f := range files {
		if f != System {
			v.file(item(path, i), f, "put the certificate of the authority there")
		}
	}
}

// file checks that a file, if named, can be read. cure is where one comes from that is not
// there.
func (v *validator) file(path, name, cure string) {
	if name == "" || v.draft {
		return
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		v.bad(path, "%s does not exist; %s", name, cure)
	} else if err := checkReadable(name); err != nil {
		v.bad(path, "%v", err)
	}
}

// secret checks the secret file for good, since nobody else reads it before it is
// needed.
func (v *validator) secret() {
	name := v.config.SecretFile
	v.required("secret_file", name != "", "write a file with the line that openssl rand -hex 32 prints, the same on every host of an edge pool")
	if name == "" || v.draft {
		return
	}
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		v.bad("secret_file", "%s does not exist; edged init writes one, or copy that of the edge pool's other hosts", name)
	} else if _, _, err := ReadSecret(name); err != nil {
		v.bad("secret_file", "%v", err)
	}
}

// dns checks how partners are looked up.
func (v *validator) dns() {
	d := &v.config.DNS
	v.required("dns.servers", len(d.Servers) > 0, "write [system] or name servers such as [\"10.0.0.1:53\"]")
	for i, s := range d.Servers {
		if s != System {
			v.nameServer(item("dns.servers", i), s, ", or "+System)
		}
	}
	if low, high := 100*time.Millisecond, time.Minute; d.Timeout < low || d.Timeout > high {
		v.bad("dns.timeout", "%s is not in %s..1m", d.Timeout, low)
	}
}

// nameServer checks one that questions are sent to; or names what else may be
// written.
func (v *validator) nameServer(path, s, or string) {
	a, err := parseAddrPort(s, 53)
	switch {
	case err != nil:
		v.bad(path, "%v%s", err, or)
	case a.Port() == 0 || a.Addr().IsUnspecified():
		v.bad(path, "%s cannot be sent to; write an address with a port, such as 10.0.0.1:53", a)
	case v.config.XMPP.Internal.DNS.Listen.overlaps(Address{Addr: a}):
		// Questions would go round in a circle, and partners would be where pools think they are.
		v.bad(path, "%s is where this edge answers pools (xmpp.internal.dns.listen); write a name server that knows the world", a)
	}
}

// dialFrom checks the source addresses of a side.
func (v *validator) dialFrom(path string, addrs []netip.Addr) {
	first := make(map[bool]netip.Addr)
	for i, a := range addrs {
		a = a.Unmap()
		if before, ok := first[a.Is4()]; ok {
			v.bad(item(path, i), "%s is of the same family as %s; write at most one IPv4 and one IPv6 address", a, before)
		} else if a.IsUnspecified() || a.IsMulticast() {
			v.bad(item(path, i), "nothing can be sent from %s; write an address of this host", a)
		}
		first[a.Is4()] = a
	}
}

// limits checks every bound.
func (v *validator) limits() {
	for _, bad := range v.config.Limits.Check() {
		path, text, _ := strings.Cut(bad, ": ")
		v.bad(path, "%s", text)
	}
}

// log checks what the process writes.
func (v *validator) log() {
	v.oneOf("log.level", v.config.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", v.config.Log.Format, "text", "json", "journald")
	v.placeFor("log.audit", v.config.Log.Audit)
}

// placeFor checks that a file can be there, though it need not be yet.
func (v *validator) placeFor(path, name string) {
	if name == "" || name == Stdout {
		return
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		v.bad(path, "the folder %s does not exist; make it, so that edged may write to it", filepath.Dir(name))
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		v.bad(path, "%s is no plain file; write another one, or stdout", name)
	}
}

func (v *validator) oneOf(path, value string, words ...string) {
	var got string
	if err := oneOf(&got, []byte(value), words...); err != nil {
		v.bad(path, "%v", err)
	}
}

// admin checks that operators' doors open to this host only.
func (v *validator) admin() {
	a := &v.config.Admin
	// The kernel's sockaddr_un holds 107 bytes and a zero.
	if most := 107; len(a.Socket) > most {
		v.bad("admin.socket", "%d characters are more than a socket path may have (%d); write a shorter one", len(a.Socket), most)
	}
	if at := a.Listen.Addr; at.IsValid() && !at.Addr().IsLoopback() {
		v.bad("admin.listen", "%s can be reached by others, for whom metrics.listen is; write a loopback address such as 127.0.0.1:%d", at, at.Port())
	}
}

// item is the path of the i-th value of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// orName is n, or other if there is none.
func orName(n domain.Name, other string) string {
	if n.IsZero() {
		return other
	}
	return n.String()
}
