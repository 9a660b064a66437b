package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
)

// consentCmd looks after who wrote to whom first, in the running gateway.
type consentCmd struct {
	List   consentListCmd   `cmd:"" help:"List who wrote to whom first, the newest first."`
	Remove consentRemoveCmd `cmd:"" help:"Forget that a user wrote to a contact: the contact is not heard until the user writes again."`
}

// runningFlags are shared by the commands that ask the running gateway.
type runningFlags struct {
	configFlag
	Socket  string        `placeholder:"PATH" help:"The admin socket of the running gateway (default: admin.socket of the configuration)."`
	Timeout time.Duration `default:"30s" help:"How long to wait for the answer."`
}

type consentListCmd struct {
	runningFlags
	Filter string `placeholder:"TEXT" help:"Only pairs with this text in one of the addresses."`
	Limit  int    `default:"100" help:"At most so many (${default}; up to 100000)."`
}

// Run prints a line for each pair.
func (c *consentListCmd) Run(ctx context.Context) error {
	answer, err := c.ask(ctx, "GET", admin.ListConsentPath(c.Filter, c.Limit))
	if err != nil {
		return err
	}
	pairs, err := readList[admin.Consent](answer)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Local, p.Remote, p.Since.UTC().Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(pairs) == c.Limit {
		fmt.Fprintf(os.Stderr, "there may be more than these %d; raise --limit or give a --filter\n", c.Limit)
	}
	return nil
}

type consentRemoveCmd struct {
	runningFlags
	Local  string `arg:"" help:"Our user: user@domain, or a domain."`
	Remote string `arg:"" help:"The contact: user@domain, or a domain."`
}

// Run prints what the gateway answers. A pair that is not there is exit status 1.
func (c *consentRemoveCmd) Run(ctx context.Context) error {
	answer, err := c.ask(ctx, "DELETE", admin.RemoveConsentPath(c.Local, c.Remote))
	if err != nil {
		return err
	}
	fmt.Print(string(answer))
	return nil
}

// readList reads what the gateway answers to a question for a list.
func readList[T any](answer []byte) (all []T, err error) {
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("the answer cannot be read; is edged of the same version? %w", err)
	}
	return all, nil
}

// ask asks the running gateway, through its admin socket.
func (f *runningFlags) ask(ctx context.Context, method, path string) ([]byte, error) {
	socket := f.Socket
	if socket == "" {
		var err error
		if socket, err = config.AdminSocket(f.Config); err != nil {
			return nil, err
		}
	}
	if socket == "" {
		return nil, fmt.Errorf("%s: admin.socket is not set; set it and start edged again (a SIGHUP reloads without)", f.Config)
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	return admin.Call(ctx, socket, method, path)
}
