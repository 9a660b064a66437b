package setup

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// Print tells what was done and what is left to do.
func (r *Result) Print(w io.Writer) error {
	p := printer{Result: r, w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	p.files()
	if len(p.Kept) > 0 {
		p.line("Files that were there have been left as they are.")
	}
	if config := filepath.Join(r.Dir, "edged.yaml"); slices.Contains(r.Kept, config) {
		p.line("\nNext: edged check%s", p.flag())
		return p.w.Flush()
	}
	p.guesses()
	p.steps()
	return p.w.Flush()
}

// printer collects lines whose columns are separated by tabs.
type printer struct {
	*Result
	w *tabwriter.Writer
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(p.w, format+"\n", args...) }

func (p *printer) files() {
	for _, f := range p.Written {
		p.line("written\t%s", f)
	}
	for _, f := range p.Kept {
		p.line("kept\t%s", f)
	}
}

func (p *printer) guesses() {
	if len(p.values.Guesses) == 0 {
		return
	}
	p.line("\nWhat could not be found out is marked as a guess in edged.yaml:")
	for _, of := range slices.Sorted(maps.Keys(p.values.Guesses)) {
		p.line("  %s\t%s", of, p.values.Guesses[of])
	}
}

// steps are numbered as they are said.
func (p *printer) steps() {
	v, number := p.values, 0
	step := func(format string, args ...any) {
		number++
		p.line("  %d. "+format, append([]any{number}, args...)...)
	}
	p.line("\nNext:")
	if os.Geteuid() == 0 && v.System && !p.Grouped {
		step("There is no group %s yet. Once the package or you have made it:", Group)
		p.line("     cd %s && chgrp %s . tls edged.yaml policy.yaml", p.Dir, Group)
	}
	step("Publish the DNS records, and get certificates for the names, that this shows:")
	p.line("     edged dns%s", p.flag())
	step("Put the certificates into %s:", filepath.Join(p.Dir, "tls"))
	p.line("     edge.crt, edge.key\toutside, from a public authority")
	if v.SIP {
		p.line("     inside.crt, inside.key\tinside, for %s", v.InternalFQDN)
	}
	p.line("     internal-ca.crt\twho signs the certificates of your own servers")
	p.pools(step)
	step("List partners in %s.", filepath.Join(p.Dir, "policy.yaml"))
	step("Check, start, and see whether the world can find you:")
	p.line("     edged check%s", p.flag())
	if v.System {
		p.line("     systemctl enable --now edged")
	} else {
		p.line("     edged serve%s", p.flag())
	}
	p.line("     edged dns%s --verify", p.flag())
}

// pools tells what our own servers have to know.
func (p *printer) pools(step func(string, ...any)) {
	v := p.values
	if v.SIP {
		step("Tell the SIP pool that the way out is %s, at %s: docs/pools.md.", v.InternalFQDN, v.Inside(sipPort))
	}
	if !v.XMPP {
		return
	}
	step("Tell the XMPP pool that the way out is %s, and to trust tls/authority.crt: docs/pools.md.", v.Inside(xmppPort))
	if !p.with.Authority {
		p.line("     Make that authority: edged init with the same domains and --authority")
	}
}

// flag names the configuration where it is not the usual one.
func (p *printer) flag() string {
	if p.values.System {
		return ""
	}
	return " -c " + filepath.Join(p.Dir, "edged.yaml")
}
