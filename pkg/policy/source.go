package policy

import (
	"time"

	"edged/pkg/domain"
)

// Source is policy.yaml: everything an operator says about who may talk with
// whom. It is checked and indexed as a whole by Compile.
type Source struct {
	// Federation holds the organisation's switches.
	Federation Federation `yaml:"federation"`
	// AllowedDomains lists SIP partners by domain.
	AllowedDomains []AllowedDomain `yaml:"allowed_domains"`
	// BlockedDomains beats every other list, for SIP and XMPP, and covers the
	// subdomains of each domain too.
	BlockedDomains []BlockedDomain `yaml:"blocked_domains"`
	// Providers lists hosting and public IM providers: one proxy, many domains.
	Providers []Provider `yaml:"providers"`
	// XMPPDefault applies to XMPP domains that nothing lists, if
	// federation.xmpp_discovery is on.
	XMPPDefault XMPPSettings `yaml:"xmpp_default"`
	// XMPPPartners lists XMPP partners by domain.
	XMPPPartners []XMPPPartner `yaml:"xmpp_partners"`
	// AccessPolicies says what local users may do.
	AccessPolicies AccessPolicies `yaml:"access_policies"`
	// GrantsFile is a CSV file with the columns user and policy, for
	// organisations with more grants than fit a YAML list.
	GrantsFile string  `yaml:"grants_file"`
	Grants     []Grant `yaml:"-"`
}

// Federation holds the organisation's switches.
type Federation struct {
	// Enabled is the master switch for SIP and XMPP, both directions. Default
	// false: nothing else has an effect before somebody decided to federate.
	Enabled bool `yaml:"enabled"`
	// PartnerDiscovery lets SIP domains in that nothing lists, found by SRV
	// alone. Default false.
	PartnerDiscovery bool `yaml:"partner_discovery"`
	// XMPPDiscovery is the same for XMPP. Default false.
	XMPPDiscovery bool `yaml:"xmpp_discovery"`
	// DANE is what XMPP entries that say nothing have as `dane`. Default false.
	DANE bool `yaml:"dane"`
	// POSH is the same for `posh`. Default false.
	POSH bool `yaml:"posh"`
	// Discovered bounds what partners may do that were only discovered, in SIP, or
	// that only xmpp_default applies to.
	Discovered DiscoveredLimits `yaml:"discovered"`
	// OneTypePerConnection binds a connection of a SIP partner to the kind of entry
	// that its first message was allowed by (discovered, allowed, direct, hosting or
	// public provider), as Lync does. Default false: each message is judged alone.
	OneTypePerConnection bool `yaml:"one_type_per_connection"`
	// MarkSourceVerifiable marks our outgoing SIP messages as coming from verified
	// users, so that partners can treat them by their own level; off, all are marked
	// as unverified. Default true.
	MarkSourceVerifiable bool `yaml:"mark_source_verifiable"`
	// ArchivingNotice is a header line that tells SIP partners that conversations
	// are archived: it goes with each INVITE and MESSAGE that leaves, and with what
	// accepts one. Its name begins with X- or ms-. Default: none.
	ArchivingNotice string `yaml:"archiving_notice"`
}

// DiscoveredLimits bound what partners may do that nothing lists. Listing a domain
// lifts all of it.
type DiscoveredLimits struct {
	// Rate is in messages per second of one partner, which is everything below one
	// registered domain. Default 20.
	Rate float64 `yaml:"rate"`
	// SuspiciousRate is the same for a partner of whose requests in a report
	// period, 100 or more, at least half failed. Default 1; never above rate.
	SuspiciousRate float64 `yaml:"suspicious_rate"`
	// Total is in messages per second of all such partners together, of one
	// protocol on one host. Default 200; never below rate.
	Total float64 `yaml:"total"`
	// Contacts is how many distinct local users one partner may address within
	// a report period, whether they exist or not. One that tries more is watched,
	// and reaches only those that it has addressed until it is released or listed.
	// Default 1000; 0 is no limit.
	Contacts int `yaml:"contacts"`
	// ReportPeriod is how long failures and contacts are counted. Default 1h.
	ReportPeriod time.Duration `yaml:"report_period"`
	// Verification is how far their word about their users counts. Default use_source.
	Verification Verification `yaml:"verification"`
}

// AllowedDomain lists one SIP partner.
type AllowedDomain struct {
	// Domain is the partner's SIP domain, exactly; *.example.com lists every
	// domain below example.com, but not example.com itself.
	Domain Pattern `yaml:"domain"`
	// Proxy is the host name of the partner's edge. With it the partner is
	// direct: no SRV record is asked, and only this name proves the partner.
	Proxy domain.Name `yaml:"proxy"`
	// Port is where that host listens. Default 5061.
	Port uint16 `yaml:"port"`
	// SRV is the record by which the partner is found: _sips._tcp or _sip._tls for
	// those that do not publish the one of federation. What its targets must be, and
	// what proves them, is the same. Default _sipfederationtls._tcp.
	SRV Service `yaml:"srv"`
	// Roots are PEM files: who may sign this partner's certificates. They prove
	// this entry and nothing else. Default: tls.roots of the process.
	Roots []string `yaml:"roots"`
	// Verification is how far the partner's word about its users counts: every message
	// is of a verified user, none is, or as each is marked. Default use_source.
	Verification Verification `yaml:"verification"`
	// Ping is after how much silence a connection that we have opened to the
	// partner is asked whether it is alive (RFC 5626 §4.4.1), 10s to 1h. Without an
	// answer within 10s it is given up, so partners that answer no pings must not
	// get any. Default 0: never.
	Ping time.Duration `yaml:"ping"`
	// Connections is how many connections to each of the partner's servers carry our
	// requests, 1 to 4. Those between two users stay on one, in their order.
	// Default 1.
	Connections int `yaml:"connections"`
	// TrustAsserted lets the partner say who its users are by P-Asserted-Identity
	// (RFC 3325), in the domain that its certificate proves. Default false.
	TrustAsserted bool `yaml:"trust_asserted"`
	// Anonymous lets requests cross, both ways, whose From hides the sender as
	// anonymous.invalid. Default false: a certificate proves no such domain.
	Anonymous bool `yaml:"anonymous"`
	// Comment is for people.
	Comment string `yaml:"comment"`
}

// BlockedDomain blocks one domain and everything below it.
type BlockedDomain struct {
	// Domain is the blocked domain.
	Domain domain.Name `yaml:"domain"`
	// Comment is for people.
	Comment string `yaml:"comment"`
}

// Provider lists one provider: a proxy that serves many domains.
type Provider struct {
	// Name is the provider's key in logs, metrics and messages; unique.
	Name string `yaml:"name"`
	// Kind is hosting or public; required, because it decides which domains
	// and which users may use the provider.
	Kind ProviderKind `yaml:"kind"`
	// Proxy is the provider's host name: what the SRV records of its customers
	// hold and its certificate covers; unique.
	Proxy domain.Name `yaml:"proxy"`
	// Enabled lets messages through. Default false.
	Enabled bool `yaml:"enabled"`
	// SharedAddressSpace says that some users of our own domains are hosted there:
	// the provider speaks for our domains, and our pools reach them through it. Only
	// one enabled hosting provider may have it. Default false.
	SharedAddressSpace bool `yaml:"shared_address_space"`
	// Port is where that host listens for that traffic, which no SRV record leads to.
	// Default 5061.
	Port uint16 `yaml:"port"`
	// Verification is as in allowed_domains. Default always_verifiable.
	Verification Verification `yaml:"verification"`
	// TrustAsserted is as in allowed_domains.
	TrustAsserted bool `yaml:"trust_asserted"`
	// Roots are as in allowed_domains.
	Roots []string `yaml:"roots"`
	// Ping is as in allowed_domains.
	Ping time.Duration `yaml:"ping"`
	// Connections are as in allowed_domains.
	Connections int `yaml:"connections"`
	// Comment is for people.
	Comment string `yaml:"comment"`
}

// AccessPolicies holds the policies of the three scopes. The narrowest scope
// that has one for a user decides alone: user, then site, then global.
type AccessPolicies struct {
	// Global applies to everybody else. Default: nothing is allowed.
	Global AccessPolicy `yaml:"global"`
	// Sites apply to the users of some of our domains, or of a list.
	Sites []Site `yaml:"sites"`
	// Users apply to those they are granted to.
	Users []UserPolicy `yaml:"users"`
}

// AccessPolicy says what a local user may do. All is false by default.
type AccessPolicy struct {
	// Federation is with anybody outside at all.
	Federation bool `yaml:"federation"`
	// XMPP is with XMPP partners; needs federation.
	XMPP bool `yaml:"xmpp"`
	// Public is with public providers; needs federation.
	Public bool `yaml:"public"`
	// PublicAV is audio and video with public providers; needs public.
	PublicAV bool `yaml:"public_av"`
}

// Site gives one policy to everybody of some place.
type Site struct {
	// Name is unique among sites.
	Name string `yaml:"name"`
	// Domains are those of our domains whose users belong to the site.
	Domains []domain.Name `yaml:"domains"`
	// UsersFile is a CSV file with the column user, for sites that are not
	// domains. A user listed there belongs to this site whatever the user's
	// domain.
	UsersFile string `yaml:"users_file"`
	Users     []User `yaml:"-"`
	// Policy is what they may do. Required.
	Policy *AccessPolicy `yaml:"policy"`
	// Description is for people.
	Description string `yaml:"description"`
}

// UserPolicy is a policy that applies to those it is granted to.
type UserPolicy struct {
	// Name is unique among user policies; grants_file refers to it.
	Name string `yaml:"name"`
	// Policy is what they may do. Required.
	Policy *AccessPolicy `yaml:"policy"`
	// Grant lists users; more may come from grants_file.
	Grant []User `yaml:"grant"`
	// Description is for people.
	Description string `yaml:"description"`
}

// Grant is one row of grants_file.
type Grant struct {
	// User gets Policy, the name of a UserPolicy.
	User   User
	Policy string
	// Line is where the row stands in the file, from 1.
	Line int
}

// Problem is something wrong, or doubtful, in a Source.
type Problem struct {
	// Path is where: `allowed_domains[2].domain`, `grants_file:17`. Indexes
	// count from 0.
	Path string
	// Text says what is wrong there and what would be right.
	Text string
}

// Local is one of our own domains, with the protocols it is federated for.
type Local struct {
	Domain    domain.Name
	SIP, XMPP bool
}

// Default returns what applies where policy.yaml says nothing: the defaults of
// Lync Server 2013, under which nothing federates until it is switched on.
func Default() Source {
	return Source{
		Federation: Federation{
			Discovered: DiscoveredLimits{
				Rate: 20, SuspiciousRate: 1, Total: 200, Contacts: 1000, ReportPeriod: time.Hour, Verification: UseSource,
			},
			MarkSourceVerifiable: true,
		},
		XMPPDefault: XMPPSettings{
			Type: PublicUnverified, TLS: Required, SASL: Optional, Dialback: On, Bidi: Off, KeepAlive: On,
			ConnectionLimit: defaultConnectionLimit,
		},
	}
}

func switched(on bool) Switch {
	if on {
		return On
	}
	return Off
}

// orElse sets *v to dflt if nothing was written there.
func orElse[T comparable](v *T, dflt T) {
	var none T
	if *v == none {
		*v = dflt
	}
}
