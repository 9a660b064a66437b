package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"edged/internal/migrate"
	"edged/internal/setup"
)

// importCmd makes a policy of exported settings.
type importCmd struct {
	Files []string `arg:"" placeholder:"FILES" help:"What these commands return, as ConvertTo-Json or Export-Csv write it: Get-CsAllowedDomain, Get-CsBlockedDomain, Get-CsHostingProvider, Get-CsPublicProvider, Get-CsXmppAllowedPartner, Get-CsExternalAccessPolicy, Get-CsAccessEdgeConfiguration, Get-CsUser, Get-CsPool, Get-CsSipDomain."`
	Out   string   `short:"o" default:"policy.yaml" placeholder:"FILE" help:"The policy to write (${default}). Lists of users go beside it."`
	JSON  bool     `name:"json" help:"Print the report as JSON, on standard output instead of standard error."`
}

// Help says what is told (kong.HelpProvider).
func (importCmd) Help() string {
	return "Which file is what is told by what is in it; UTF-16 is read too. Every setting that has no place in a policy is reported with " +
		"the reason, first those without which more is allowed than before. The exit status is 0 if the policy was written, 1 if not: " +
		"because a file was not understood, or one of that name is there."
}

// Run writes the policy, and reports what it could not carry.
func (c *importCmd) Run() error {
	out, err := migrate.Import(filepath.Base(c.Out), c.Files)
	if err != nil {
		return err
	}
	if err := c.write(out); err != nil {
		return err
	}
	if c.JSON {
		return out.Report.JSON(os.Stdout)
	}
	return out.Report.Print(os.Stderr)
}

// write creates every file, or none.
func (c *importCmd) write(out *migrate.Output) error {
	dir := filepath.Dir(c.Out)
	var errs []error
	for _, f := range out.Files {
		path := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s is there already; move it away, or write another one with --out", path))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, f := range out.Files {
		path := filepath.Join(dir, f.Name)
		if err := setup.Create(path, f.Content); err != nil {
			for _, made := range out.Report.Written {
				err = errors.Join(err, os.Remove(made))
			}
			return err
		}
		out.Report.Written = append(out.Report.Written, path)
	}
	return nil
}
