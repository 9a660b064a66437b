package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// gateway asks a running gateway what only it knows.
type gateway func(path string, into any) error

// reach is the gateway behind an admin socket.
func reach(ctx context.Context, socket string) gateway {
	return func(path string, into any) error {
		const patience = 5 * time.Second
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		answer, err := admin.Call(ctx, socket, "GET", path)
		if err != nil {
			return err
		}
		return json.Unmarshal(answer, into)
	}
}

// live adds what the running gateway knows: whether it goes by these files, whether our
// user has written to the contact, whether the partner is watched, and how our pool does.
// Where none runs, that is not known.
func (e *explanation) live(ask gateway, l *config.Loaded, q *policy.Question, contact policy.User) {
	var running admin.Running
	if err := ask(admin.RunningPath, &running); err != nil {
		e.note("consent, the watch list and pools are not known: %v", err)
		return
	}
	if running.Config != l.Hash || running.Policy != l.PolicyHash {
		e.note("the running gateway goes by other files, loaded %s; edged reload puts these in force", running.LoadedAt.UTC().Format(time.RFC3339))
	}
	if q.Protocol == policy.XMPP && q.Direction == policy.Inward {
		e.consent(ask, q, contact)
	}
	e.watched(ask, q)
	e.pool(ask, q)
}

func (e *explanation) note(format string, args ...any) {
	e.Notes = append(e.Notes, verdict.Printable(fmt.Sprintf(format, args...)))
}

func (e *explanation) consent(ask gateway, q *policy.Question, contact policy.User) {
	var pairs []admin.Consent
	if err := ask(admin.ListConsentPath(q.Local.String(), 100000), &pairs); err != nil {
		e.note("consent is not known: %v", err)
		return
	}
	for _, p := range pairs {
		if p.Local == q.Local.String() && p.Remote == contact.String() {
			q.Facts.Consent = true
			e.note("%s wrote to %s at %s", p.Local, p.Remote, p.Since.UTC().Format(time.RFC3339))
		}
	}
}

func (e *explanation) watched(ask gateway, q *policy.Question) {
	var all []admin.Watched
	if err := ask(admin.WatchPath, &all); err != nil {
		e.note("the watch list is not known: %v", err)
		return
	}
	for _, w := range all {
		if w.Proto == q.Protocol.String() && (w.Partner == q.Remote.String() || strings.HasSuffix(q.Remote.String(), "."+w.Partner)) {
			e.note("%s is on the watch list since %s: %s", w.Partner, w.Since.UTC().Format(time.RFC3339), watchMode(&w))
		}
	}
}

func (e *explanation) pool(ask gateway, q *policy.Question) {
	var pools []admin.Pool
	if err := ask(admin.PoolsPath, &pools); err != nil {
		e.note("pools are not known: %v", err)
		return
	}
	for i := range pools {
		p := &pools[i]
		if p.Proto != q.Protocol.String() || !slices.Contains(p.Domains, q.Local.Domain.String()) || p.Up() {
			continue
		}
		e.note("no member of pool %s can be reached; edged probe %s says why", p.Name, q.Local.Domain)
		e.down = q.Direction == policy.Inward
	}
}
