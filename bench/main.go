// Command bench measures edged beside other servers and beside relays that do
// almost nothing, on one machine and loopback, and writes the tables of
// docs/performance.md.
//
//	bench run [-edged FILE] [-out FILE] [-only PARTS] [-rounds N] [-length D] [-profile DIR]
//
// The other subcommands are processes of a run: what edged is measured against,
// and edged itself when it is profiled.
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
		return errors.New("say which subcommand: " + roleNames)
	}
	if args[0] != "run" {
		return role(ctx, args)
	}
	flags := flag.NewFlagSet("bench run", flag.ContinueOnError)
	var p plan
	flags.StringVar(&p.edged, "edged", "bin/edged", "the binary to measure")
	flags.StringVar(&p.page, "out", "", "the page whose tables are replaced; otherwise they are only printed")
	flags.IntVar(&p.rounds, "rounds", 3, "how often everything is measured")
	flags.DurationVar(&p.length, "length", 3*time.Second, "of one measurement at full speed")
	only := flags.String("only", "", "parts to run, e.g. sip,xmpp-idle; all otherwise: "+strings.Join(names(), ", "))
	flags.BoolVar(&p.keep, "keep", false, "keep the directory with configurations and logs")
	flags.StringVar(&p.profile, "profile", "", "the directory for CPU and allocation profiles of edged, which then runs inside of this program")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *only != "" {
		p.only = strings.Split(*only, ",")
	}
	return p.run(ctx, out)
}
