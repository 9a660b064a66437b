package limit

import (
	"encoding/json"
	"log/slog"
	"time"

	"edged/pkg/domain"
	"edged/pkg/store"
)

// KeepConfig says where a watch list is kept. All fields are required.
type KeepConfig struct {
	Store  *store.Store // stays open until Close
	Bucket string
	Log    *slog.Logger // hears when the file cannot be written, and when it can be again
}

// record is an entry of the watch list as the file has it.
type record struct {
	Why        Why           `json:"why"`
	Since      time.Time     `json:"since"`
	Suspicious bool          `json:"suspicious,omitempty"`
	Domains    []domain.Name `json:"domains,omitempty"`
	More       bool          `json:"more,omitempty"`
	Issuer     string        `json:"issuer,omitempty"`
	Serial     string        `json:"serial,omitempty"`
	Contacts   []byte        `json:"contacts,omitempty"` // one after the other, with ManyContacts
}

func readRecord(v []byte) (r record, ok bool) {
	err := json.Unmarshal(v, &r)
	return r, err == nil && r.Why != 0 && r.Why <= MostFail|ManyContacts && len(r.Contacts)%len(user{}) == 0
}

// Keep reads the watch list of an earlier life from the state file, and from now
// on the file follows the list, within 100 ms and without anybody waiting for the
// disk: the entries, and the users that a partner with ManyContacts may still
// address. Counts of a report period are not kept. While the file cannot be
// written the list is in memory only, which is logged and counted. What cannot be
// read as an entry is left alone, and logged.
//
// It is called once, before others use d. On an error nothing is kept.
func (d *Discovered) Keep(c KeepConfig) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	odd := 0
	err := c.Store.ForEach(c.Bucket, func(k, v []byte) error {
		if r, ok := readRecord(v); ok {
			d.partners[string(k)] = d.restored(string(k), &r)
		} else {
			odd++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if odd > 0 {
		c.Log.Warn("the state file holds what is no watch list", slog.Int("count", odd))
	}
	d.kept = store.NewMirror(store.MirrorConfig[[]byte]{
		Store: c.Store, Bucket: c.Bucket, Name: "the watch list", Log: c.Log,
		Take: d.takeDirty, Value: func(v []byte) []byte { return v },
	})
	return nil
}

// Close writes what is not in the file yet. It fails if not everything could be
// written. What changes later is in memory only.
func (d *Discovered) Close() error {
	if d == nil {
		return nil
	}
	return d.kept.Close()
}

// WatchStats are the numbers of a watch list, for metrics.
type WatchStats struct {
	Watched     int    // entries
	Unwritten   int    // changes that are not in the file yet, if there is one
	WriteErrors uint64 // failed attempts to write
	Failing     bool   // the last of them failed
}

// Stats returns the watch list's numbers.
func (d *Discovered) Stats() WatchStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := WatchStats{Unwritten: len(d.dirty) + d.kept.Unwritten(), WriteErrors: d.kept.WriteErrors(), Failing: d.kept.Failing()}
	for _, p := range d.partners {
		if p.why != 0 {
			s.Watched++
		}
	}
	return s
}

// restored makes the partner of an entry. A new report period begins. The caller
// holds mu.
func (d *Discovered) restored(name string, r *record) *partner {
	p := &partner{
		name: name, began: d.now(), suspicious: r.Suspicious, why: r.Why, since: r.Since,
		domains: r.Domains, more: r.More, issuer: r.Issuer, serial: r.Serial,
	}
	p.tokens = bucketOf(d.rateOf(p))
	for rest := r.Contacts; len(rest) > 0; rest = rest[len(user{}):] {
		p.reach(user(rest[:len(user{})]))
	}
	return p
}

// changed lets the file follow, if there is one. The caller holds mu.
func (d *Discovered) changed(p *partner) {
	if d.kept != nil {
		d.dirty[p.name] = struct{}{}
		d.kept.Notify()
	}
}

// takeDirty hands over what the file does not know yet.
func (d *Discovered) takeDirty() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := make(map[string][]byte, len(d.dirty))
	for name := range d.dirty {
		taken[name] = d.partners[name].stored()
	}
	clear(d.dirty)
	d.kept.Took(len(taken))
	return taken
}

// stored is the entry of a partner in the file; nil if it has none.
func (p *partner) stored() []byte {
	if p == nil || p.why == 0 {
		return nil
	}
	r := record{
		Why: p.why, Since: p.since, Suspicious: p.suspicious,
		Domains: p.domains, More: p.more, Issuer: p.issuer, Serial: p.serial,
	}
	if p.why&ManyContacts != 0 {
		for u := range p.contacts {
			r.Contacts = append(r.Contacts, u[:]...)
		}
	}
	b, err := json.Marshal(r)
	if err != nil { // cannot be: every field has a form
		return nil
	}
	return b
}
