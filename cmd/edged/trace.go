package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"edged/internal/admin"
	"edged/pkg/domain"
	"edged/pkg/verdict"
)

type traceCmd struct {
	runningFlags
	CallID string        `name:"call-id" placeholder:"ID" help:"Only messages with this Call-ID; XMPP: stanzas with this id."`
	User   string        `placeholder:"USER" help:"Only messages from or to this user: user@domain, or the part before the @."`
	Domain domain.Name   `placeholder:"DOMAIN" help:"Only messages from or to this domain, or one below it."`
	For    time.Duration `placeholder:"DURATION" help:"Stop after so long (default: until interrupted)."`
	Count  int           `placeholder:"N" help:"Stop after so many lines."`
	JSON   bool          `help:"Print a JSON object a line."`
}

// Help says what is not in a line (kong.HelpProvider).
func (traceCmd) Help() string {
	return "A line is a message that was sent on or refused, or a response on its way back: time, protocol, direction, what it " +
		"is, from whom to whom, the verdict with its rule, where it went on to, and its id. Bodies are not shown. Who reads " +
		"too slowly loses lines and is told how many. The exit status is 0 if it ends as asked or is interrupted, 1 if the " +
		"gateway ends it."
}

// Validate refuses what would never end, or show nothing.
func (c *traceCmd) Validate() error {
	if c.For < 0 || c.Count < 0 {
		return errors.New("--for and --count are not negative; leave them out to go on until interrupted")
	}
	return nil
}

// errEnough ends a trace that has what it was to show.
var errEnough = errors.New("enough")

// Run prints a line for each message, until it is interrupted.
func (c *traceCmd) Run(ctx context.Context) error {
	socket, err := c.socket()
	if err != nil {
		return err
	}
	ctx, cancel := untilSignal(ctx)
	defer cancel()
	if c.For > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	shown := 0
	err = admin.Stream(ctx, socket, admin.TracePath(admin.TraceFilter{ID: c.CallID, User: c.User, Domain: c.Domain.String()}), c.Timeout, func(line []byte) error {
		if err := c.show(line); err != nil {
			return err
		}
		if shown++; shown == c.Count {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough), ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("edged has ended the trace: it is stopping")
	}
	return err
}

func (c *traceCmd) show(line []byte) error {
	var l admin.TraceLine
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("the answer cannot be read; is edged of the same version? %w", err)
	}
	if l.Lost > 0 {
		fmt.Fprintf(os.Stderr, "%d messages were not shown: they came faster than they were read\n", l.Lost)
	}
	if c.JSON {
		_, err := fmt.Printf("%s\n", line)
		return err
	}
	_, err := fmt.Println(traceText(&l))
	return err
}

// traceText is a line for people.
func traceText(l *admin.TraceLine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-4s %-7s ", l.Time.Local().Format("15:04:05.000"), l.Proto, l.Direction)
	if l.Status > 0 {
		fmt.Fprintf(&b, "%d ", l.Status)
	}
	b.WriteString(l.What)
	if l.From+l.To != "" {
		fmt.Fprintf(&b, " %s -> %s", admin.Bare(l.From), admin.Bare(l.To))
	} else {
		fmt.Fprintf(&b, " of %s", l.Peer)
	}
	fmt.Fprintf(&b, ": %s", l.Reason)
	if l.Rule != "" {
		fmt.Fprintf(&b, " by %s", l.Rule)
	}
	if l.Detail != "" {
		fmt.Fprintf(&b, " (%s)", l.Detail)
	}
	if l.NextHop != "" {
		fmt.Fprintf(&b, ", to %s", l.NextHop)
	}
	if l.Took > 0 {
		fmt.Fprintf(&b, ", %.1fms", l.Took)
	}
	if l.ID != "" {
		fmt.Fprintf(&b, " [%s]", l.ID)
	}
	return verdict.Printable(b.String())
}
