package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"edged/internal/admin"
)

type connectionsCmd struct {
	listFlags
	Filter string `placeholder:"TEXT" help:"Only connections with this text in an address, a name or a domain; case does not count."`
}

// Run prints a line for each connection.
func (c *connectionsCmd) Run(ctx context.Context) error {
	now := time.Now()
	t := table[admin.Connection]{
		header: "PROTO\tID\tSIDE\tWAY\tPEER\tTLS\tCERTIFICATE\tDAYS\tROOTS\tTALKS\tUSED",
		empty:  "nothing is open",
		row:    func(v admin.Connection) string { return connectionRow(&v, now) },
	}
	if c.Filter != "" {
		t.keep = func(v admin.Connection) bool {
			return strings.Contains(strings.ToLower(connectionText(&v)), strings.ToLower(c.Filter))
		}
		t.empty = "nothing with that text is open"
	}
	_, err := list(ctx, &c.listFlags, admin.ConnectionsPath, t)
	return err
}

func connectionRow(v *admin.Connection, now time.Time) string {
	way, days := "in", "-"
	if v.Dialled {
		way = "out"
	}
	if !v.NotAfter.IsZero() {
		days = fmt.Sprint(int(math.Floor(v.NotAfter.Sub(now).Hours() / 24)))
	}
	return strings.Join([]string{
		v.Proto, fmt.Sprint(v.ID), v.Side, way, v.Peer, v.TLS, short(v.Names, 2), days, short(v.Roots, 2), short(talks(v), 3),
		ago(now.Sub(v.LastUsed)),
	}, "\t")
}

// ago says how long something is over, in the largest unit.
func ago(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

// talks are whom a connection carries messages for.
func talks(v *admin.Connection) []string {
	all := make([]string, len(v.Talks))
	for i, t := range v.Talks {
		all[i] = t.Theirs
		if t.Ours != "" {
			all[i] = t.Ours + "/" + t.Theirs + " by " + t.Proof
		}
	}
	return all
}

func connectionText(v *admin.Connection) string {
	return strings.Join([]string{v.Peer, v.Member, strings.Join(v.Names, " "), strings.Join(talks(v), " ")}, " ")
}
