package records

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
)

// Record is one DNS record, as it is printed.
type Record struct {
	Name string `json:"name"` // without the final dot
	Type string `json:"type"` // SRV, A or AAAA
	TTL  int    `json:"ttl"`  // seconds
	Data string `json:"data"` // as a zone file writes it
	For  string `json:"for"`
}

// zoneLine is the record in a zone file (RFC 1035 §5.1).
func (r *Record) zoneLine() string {
	return fmt.Sprintf("%s. %d IN %s %s", r.Name, r.TTL, r.Type, r.Data)
}

// record is the service's SRV record (RFC 2782).
func (s *Service) record() Record {
	return Record{
		Name: s.Owner(), Type: "SRV", TTL: ttl, Data: fmt.Sprintf("0 0 %d %s.", s.Port, s.Target),
		For: strings.ToUpper(string(s.Protocol)) + " partners find " + s.Domain.String(),
	}
}

// record is the host's record of one address.
func (h *Host) record(a netip.Addr) Record {
	r := Record{Name: h.Name.String(), Type: "A", TTL: ttl, Data: a.Unmap().String(), For: h.For}
	if a.Unmap().Is6() {
		r.Type = "AAAA"
	}
	return r
}

func hostRecords(hosts []Host) []Record {
	var all []Record
	for i := range hosts {
		for _, a := range hosts[i].Addresses {
			all = append(all, hosts[i].record(a))
		}
	}
	return all
}

// Records are those to publish outside.
func (p *Plan) Records() []Record {
	var all []Record
	for i := range p.Services {
		all = append(all, p.Services[i].record())
	}
	return append(all, hostRecords(p.Hosts)...)
}

// Table prints the plan for people.
func (p *Plan) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	table(w, "RECORD", p.Records())
	table(w, "RECORD IN THE DNS INSIDE", hostRecords(p.Inside))
	proofs(w, "CERTIFICATES OUTSIDE COVER", p.Outside)
	proofs(w, "THE CERTIFICATE INSIDE COVERS", p.Within)
	for _, n := range p.Notes {
		fmt.Fprintf(w, "%s:\n  %s.\n", n.Text, n.Cure)
	}
	return w.Flush()
}

func table(w io.Writer, first string, all []Record) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, first+"\tTYPE\tDATA\tFOR")
	for i := range all {
		r := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Type, r.Data, r.For)
	}
	fmt.Fprintln(w)
}

func proofs(w io.Writer, first string, all []Proof) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, first+"\tFOR")
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\n", p.Name, p.For)
	}
	fmt.Fprintln(w)
}

// Zone prints the records as a zone file has them. What belongs elsewhere, or is
// missing, stands in comments.
func (p *Plan) Zone(w io.Writer) error {
	var b strings.Builder
	for _, r := range p.Records() {
		b.WriteString(r.zoneLine() + "\n")
	}
	for _, r := range hostRecords(p.Inside) {
		b.WriteString("; in the DNS inside: " + r.zoneLine() + "\n")
	}
	for _, n := range p.Notes {
		b.WriteString("; " + n.Text + ": " + n.Cure + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON prints everything for programs.
func (p *Plan) JSON(w io.Writer) error {
	return writeJSON(w, struct {
		Records []Record `json:"records"`
		Inside  []Record `json:"inside"`
		Outside []Proof  `json:"certificate_names"`
		Within  []Proof  `json:"inside_certificate_names"`
		Notes   []Note   `json:"notes"`
	}{p.Records(), hostRecords(p.Inside), p.Outside, p.Within, p.Notes})
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
