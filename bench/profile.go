package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"

	"edged/internal/daemon"
)

// edgedArgv starts edged but for the name of its configuration: the binary to
// measure, or this program, which profiles itself meanwhile.
func (s *suite) edgedArgv() []string {
	if s.profile == "" {
		return []string{s.edged, "serve", "--config"}
	}
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	s.profiles++
	return []string{self, "edged", "-profile", filepath.Join(s.profile, fmt.Sprintf("edged-%d", s.profiles)), "-config"}
}

// profiled runs edged as `edged serve` does, from the sources of this program, and
// writes its profiles when it ends.
func profiled(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench edged", flag.ContinueOnError)
	path := flags.String("profile", "edged", "PATH.cpu and PATH.allocs are written")
	config := flags.String("config", "edged.yaml", "its configuration")
	if err := flags.Parse(args); err != nil {
		return err
	}
	out, err := os.Create(*path + ".cpu")
	if err != nil {
		return err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	err = daemon.Run(ctx, daemon.Options{ConfigPath: *config, Version: "profiled"})
	pprof.StopCPUProfile()
	allocs, wrong := os.Create(*path + ".allocs")
	if wrong != nil {
		return errors.Join(err, wrong)
	}
	defer allocs.Close()
	return errors.Join(err, pprof.Lookup("allocs").WriteTo(allocs, 0))
}
