package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"edged/internal/daemon"
	"edged/internal/lab"
	"edged/internal/records"
)

type serveCmd struct {
	configFlag
}

// Run serves until a signal.
func (c *serveCmd) Run(ctx context.Context) error {
	return daemon.Run(ctx, daemon.Options{ConfigPath: c.Config, Version: programVersion(), SelfCheck: records.SelfCheck})
}

type checkCmd struct {
	configFlag
}

// Run prints warnings and a summary, or fails with every mistake.
func (c *checkCmd) Run() error {
	l, warnings, err := daemon.Check(c.Config)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	fmt.Printf("%s: good (config %s, policy %s)\n", c.Config, l.Hash, l.PolicyHash)
	return nil
}

type reloadCmd struct {
	runningFlags
}

// Run asks the running gateway, through its admin socket.
func (c *reloadCmd) Run(ctx context.Context) error {
	return c.do(ctx, "POST", "/-/reload")
}

type labCmd struct {
	Once bool `help:"Exit after the verdicts: 0 if all are as expected."`
}

// Run plays the lab and, unless told otherwise, stays up.
func (c *labCmd) Run(ctx context.Context) error {
	ctx, cancel := untilSignal(ctx)
	defer cancel()
	return lab.Run(ctx, lab.Options{Out: os.Stdout, Once: c.Once})
}

func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
