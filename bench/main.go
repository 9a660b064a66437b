// Command bench measures edged's XMPP half beside other servers and beside
// relays that do almost nothing, on one machine and loopback, and writes the
// table of docs/performance.md.
//
//	bench run [-edged FILE] [-out FILE] [-only PARTS] [-rounds N] [-seconds N]
//
// The other subcommands (cut, copy, drop) are processes of a run: what edged is
// measured against.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say which subcommand: run, cut, copy or drop")
	}
	if args[0] != "run" {
		return role(ctx, args)
	}
	flags := flag.NewFlagSet("bench run", flag.ContinueOnError)
	var p plan
	flags.StringVar(&p.edged, "edged", "bin/edged", "the binary to measure")
	flags.StringVar(&p.page, "out", "", "the page whose table is replaced; otherwise it is printed")
	flags.IntVar(&p.rounds, "rounds", 3, "how often everything is measured")
	flags.DurationVar(&p.length, "length", 3*time.Second, "of one measurement at full speed")
	only := flags.String("only", "", "parts to run, e.g. streams,servers; all otherwise: "+strings.Join(partNames(), ", "))
	flags.BoolVar(&p.keep, "keep", false, "keep the directory with configurations and logs")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *only != "" {
		p.only = strings.Split(*only, ",")
	}
	return p.run(ctx, out)
}
