package main

import (
	"context"
	"errors"
	"net/netip"
	"os"

	"edged/internal/setup"
	"edged/pkg/domain"
)

// initCmd writes a first configuration.
type initCmd struct {
	Domain       []domain.Name `required:"" placeholder:"NAME" help:"A domain of ours; the main one first."`
	Dir          string        `default:"${configdir}" placeholder:"DIR" help:"Where the files go (${default}). Nothing that is there is changed."`
	FQDN         domain.Name   `name:"fqdn" placeholder:"NAME" help:"The edge's own name outside (default: sip. or xmpp. before the main domain)."`
	InternalFQDN domain.Name   `name:"internal-fqdn" placeholder:"NAME" help:"Its name inside (default: this host's)."`
	SIP          bool          `name:"sip" help:"Federate SIP; without --xmpp, SIP alone."`
	XMPP         bool          `name:"xmpp" help:"Federate XMPP; without --sip, XMPP alone."`
	External     netip.Addr    `placeholder:"ADDR" help:"The address that partners reach (default: this host's public one, or the one it sends from)."`
	Internal     netip.Addr    `placeholder:"ADDR" help:"The address that pools reach (default: a private one of this host)."`
	SIPPool      []string      `name:"sip-pool" placeholder:"HOST" help:"A SIP server of ours, host or host:port (default: what _sipinternaltls._tcp of the main domain says)."`
	XMPPPool     []string      `name:"xmpp-pool" placeholder:"HOST" help:"An XMPP server of ours, host or host:port."`
	Partner      []domain.Name `placeholder:"NAME" help:"A partner's domain, for policy.yaml."`
	Authority    bool          `help:"Make the private authority that proves partners to XMPP pools."`
}

// Help says what is written (kong.HelpProvider).
func (initCmd) Help() string {
	return "Written are edged.yaml, policy.yaml and the secret; with --authority the private authority too. What can be found out about " +
		"this host is not asked; what had to be guessed is marked in edged.yaml and listed. Outside of " + setup.SystemDir + " the folder " +
		"holds everything, the state and the admin socket too. A file that is there is kept, and the rest written. The exit status is " +
		"0 if all files are there, 1 if one could not be written."
}

// Validate refuses what would have no effect.
func (c *initCmd) Validate() error {
	switch sipOnly, xmppOnly := c.SIP && !c.XMPP, c.XMPP && !c.SIP; {
	case sipOnly && (c.Authority || len(c.XMPPPool) > 0):
		return errors.New("--authority and --xmpp-pool are for XMPP; write --xmpp too, or leave out --sip")
	case xmppOnly && (len(c.SIPPool) > 0 || !c.InternalFQDN.IsZero()):
		return errors.New("--sip-pool and --internal-fqdn are for SIP; write --sip too, or leave out --xmpp")
	}
	return nil
}

// Run writes the files and says what is left to do.
func (c *initCmd) Run(ctx context.Context) error {
	o := setup.Options{
		Dir: c.Dir, Domains: c.Domain, FQDN: c.FQDN, InternalFQDN: c.InternalFQDN, SIP: c.SIP, XMPP: c.XMPP,
		External: c.External, Internal: c.Internal, SIPPool: c.SIPPool, XMPPPool: c.XMPPPool,
		Partners: c.Partner, Authority: c.Authority,
	}
	host := setup.Look(ctx, &o)
	result, err := setup.Write(&o, &host)
	if err != nil {
		return err
	}
	return result.Print(os.Stdout)
}
