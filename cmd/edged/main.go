// Command edged is a federation gateway between an organisation's SIP and XMPP
// pools and its partners on the Internet.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"edged/internal/admin"
	"edged/internal/setup"
)

// version is set by the linker; builds without it name the module's version.
var version string

// cli is the command line.
type cli struct {
	Init        initCmd        `cmd:"" help:"Write a first configuration: edged.yaml, policy.yaml, the secret. Nothing that exists is changed."`
	Serve       serveCmd       `cmd:"" help:"Run the gateway until SIGTERM. SIGHUP reloads the configuration."`
	Check       checkCmd       `cmd:"" help:"Read the configuration as serve would, and report every mistake."`
	Import      importCmd      `cmd:"" help:"Make a policy.yaml of what Lync or Skype for Business Server exports. Nothing that exists is changed."`
	DNS         dnsCmd         `cmd:"" name:"dns" help:"Print the DNS records to publish, or compare them with the world."`
	Explain     explainCmd     `cmd:"" help:"Say whether two users may communicate, and which rule decides."`
	Probe       probeCmd       `cmd:"" help:"Walk to a partner, or into one of our pools, and say where the way ends and what helps."`
	Connections connectionsCmd `cmd:"" help:"List what the running gateway has open: with whom, proven how, for whom."`
	Trace       traceCmd       `cmd:"" help:"Follow messages of the running gateway as they cross."`
	Reload      reloadCmd      `cmd:"" help:"Let the running gateway read its configuration again."`
	Consent     consentCmd     `cmd:"" help:"Look after the consent of the running gateway: which users wrote to which contacts first."`
	Watch       watchCmd       `cmd:"" help:"Look after the watch list of the running gateway: partners that nothing lists and that misbehave."`
	Lab         labCmd         `cmd:"" help:"Run a complete federation on this machine and play every kind of verdict."`
	Completion  completionCmd  `cmd:"" help:"Print what a shell needs to complete this command line."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// configFlag is shared by the commands that read the configuration.
type configFlag struct {
	Config string `short:"c" default:"/etc/edged/edged.yaml" placeholder:"FILE" help:"Configuration file (${default})."`
}

func main() { os.Exit(run(os.Args[1:])) }

// newParser reads the command line by its model.
func newParser() (*kong.Kong, error) {
	return kong.New(&cli{}, kong.Name("edged"),
		kong.Description("Federation gateway for SIP and XMPP."),
		kong.Vars{"configdir": setup.SystemDir}, kong.Exit(func(int) {}))
}

// run executes one command line and returns the exit status: 0 done, 1 the
// answer is no or the command failed, 2 the command line cannot be used, 3 no running
// gateway answers.
func run(args []string) int {
	parser, err := newParser()
	if err != nil {
		fmt.Fprintln(os.Stderr, "edged:", err)
		return 2
	}
	args = usual(args)
	for _, a := range args { // kong's help flag exits; the exit is ours to make
		if a == "--help" || a == "-h" {
			_, _ = parser.Parse(args)
			return 0
		}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		text := strings.Replace(err.Error(), `must be one of "",`, "must be one of ", 1) // "" is the flag left out
		failed(args, text)
		fmt.Fprintf(os.Stderr, "edged: %s; %s says more\n", text, helpFor(err))
		return 2
	}
	parsed.Bind(parser)
	parsed.BindTo(context.Background(), (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		if _, printed := errors.AsType[answerError](err); !printed {
			failed(args, err.Error())
		}
		fmt.Fprintln(os.Stderr, err)
		return statusOf(err)
	}
	return 0
}

// usual turns what people type first into what is meant.
func usual(args []string) []string {
	switch {
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case slices.Equal(args, []string{"--version"}):
		return []string{"version"}
	}
	return args
}

// answerError is a no that has been printed, with everything about it: by JSON too.
type answerError struct{ error }

// failed gives programs that asked for JSON one line of it, where the answer would be.
func failed(args []string, text string) {
	if !slices.Contains(args, "--json") {
		return
	}
	line := json.NewEncoder(os.Stdout)
	line.SetEscapeHTML(false)
	_ = line.Encode(map[string]string{"error": text}) // the exit status says it too
}

// helpFor names the command whose help belongs to a command line that cannot be used.
func helpFor(err error) string {
	words := []string{"edged"}
	if bad, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range bad.Context.Path {
			if step.Command != nil {
				words = append(words, step.Command.Name)
			}
		}
	}
	return strings.Join(append(words, "--help"), " ")
}

// statusOf is the exit status of a command that failed.
func statusOf(err error) int {
	if _, ok := errors.AsType[*admin.UnreachableError](err); ok {
		return 3
	}
	return 1
}

type versionCmd struct{}

// Run prints one line: version, Go, platform.
func (versionCmd) Run() error { //nolint:unparam // kong asks for the result
	fmt.Printf("edged %s %s %s/%s\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
