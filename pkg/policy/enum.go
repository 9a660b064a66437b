package policy

import (
	"errors"
	"fmt"
	"strings"

	"edged/pkg/domain"
)

// In each of these types the zero value means that nothing was written; Compile
// puts the entry's default there, so that it never appears in a Partner.

// Verification is how far a partner's word about its users is trusted
// (ms-asserted-verification-level).
type Verification uint8

// The verification levels.
const (
	_                  Verification = iota
	AlwaysVerifiable                // every message counts as coming from a verified user
	AlwaysUnverifiable              // none does: users see only contacts they have added
	UseSource                       // as the partner marks each message; unmarked is unverified
)

// Service is the SRV record by which a SIP partner is found.
type Service uint8

// The services.
const (
	_             Service = iota
	FederationTLS         // Microsoft's, which partners publish for this
	SIPS                  // that of RFC 3263 for TLS
	SIPTLS                // what Microsoft's clients sign in by; some publish nothing else
)

// ProviderKind is what a provider's customers are.
type ProviderKind uint8

// The kinds of providers.
const (
	_       ProviderKind = iota
	Hosting              // organisations: their domains have to be listed or discovered
	Public               // anybody: users need the access policy `public`
)

// Requirement is how strictly an XMPP feature is negotiated.
type Requirement uint8

// The requirements.
const (
	_            Requirement = iota
	Required                 // a stream without it is refused
	Optional                 // used if the partner has it
	NotSupported             // not offered and not used
)

// PartnerType is what the users of an XMPP partner may do without being asked.
type PartnerType uint8

// The partner types.
const (
	_                PartnerType = iota
	Federated                    // an organisation: may write to and ask to see every user
	PublicVerified               // a public service that knows its users: the same
	PublicUnverified             // may reach only users who wrote first
)

// Switch is a boolean that can also be left out.
type Switch uint8

// The positions of a Switch.
const (
	_ Switch = iota
	On
	Off
)

// On tells whether s is switched on.
func (s Switch) On() bool { return s == On }

// word returns what a value is called in policy.yaml.
func word[T ~uint8](v T, words []string) string {
	if int(v) >= len(words) {
		return "unknown"
	}
	return words[v]
}

// parse finds the value that words[value] calls b; words[0] is no value.
func parse[T ~uint8](v *T, b []byte, words []string) error {
	for i, w := range words[1:] {
		if string(b) == w {
			*v = T(i + 1)
			return nil
		}
	}
	return fmt.Errorf("%q is unknown; write %s", b, alternatives(words[1:]))
}

// alternatives joins words for a sentence: "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func verifications() []string {
	return []string{"unset", "always_verifiable", "always_unverifiable", "use_source"}
}

// String returns the level as policy.yaml writes it.
func (v Verification) String() string { return word(v, verifications()) }

// UnmarshalText reads the words that String writes.
func (v *Verification) UnmarshalText(b []byte) error { return parse(v, b, verifications()) }

func services() []string {
	return []string{"unset", "_sipfederationtls._tcp", "_sips._tcp", "_sip._tls"}
}

// String returns the service as policy.yaml and the DNS write it.
func (s Service) String() string { return word(s, services()) }

// UnmarshalText reads the names that String writes.
func (s *Service) UnmarshalText(b []byte) error { return parse(s, b, services()) }

func providerKinds() []string { return []string{"unset", "hosting", "public"} }

// String returns the kind as policy.yaml writes it.
func (k ProviderKind) String() string { return word(k, providerKinds()) }

// UnmarshalText reads the words that String writes.
func (k *ProviderKind) UnmarshalText(b []byte) error { return parse(k, b, providerKinds()) }

func requirements() []string { return []string{"unset", "required", "optional", "not_supported"} }

// String returns the requirement as policy.yaml writes it.
func (r Requirement) String() string { return word(r, requirements()) }

// UnmarshalText reads the words that String writes.
func (r *Requirement) UnmarshalText(b []byte) error { return parse(r, b, requirements()) }

func partnerTypes() []string {
	return []string{"unset", "federated", "public_verified", "public_unverified"}
}

// String returns the type as policy.yaml writes it.
func (t PartnerType) String() string { return word(t, partnerTypes()) }

// UnmarshalText reads the words that String writes.
func (t *PartnerType) UnmarshalText(b []byte) error { return parse(t, b, partnerTypes()) }

func switches() []string { return []string{"unset", "true", "false"} }

// String returns the position as policy.yaml writes it.
func (s Switch) String() string { return word(s, switches()) }

// UnmarshalText reads true and false.
func (s *Switch) UnmarshalText(b []byte) error { return parse(s, b, switches()) }

// Pattern is a domain, or all domains below one.
type Pattern struct {
	// Name is the domain, or what stands behind the "*." of a wildcard.
	Name domain.Name
	// Below says that the pattern is a wildcard: the domains below Name, on
	// every level, and not Name itself.
	Below bool
}

// String returns the pattern as policy.yaml writes it.
func (p Pattern) String() string {
	if p.Below {
		return "*." + p.Name.String()
	}
	return p.Name.String()
}

// UnmarshalText reads example.com or *.example.com.
func (p *Pattern) UnmarshalText(b []byte) error {
	rest, below := strings.CutPrefix(string(b), "*.")
	if strings.Contains(rest, "*") {
		return fmt.Errorf("%q has a wildcard in the wrong place; write *.example.com for all domains below example.com", b)
	}
	n, err := domain.Parse(rest)
	if err != nil {
		return err
	}
	if _, ok := n.Parent(); below && !ok {
		return errors.New("a wildcard below a top-level domain would list half the world; use federation.partner_discovery, or list the domains")
	}
	*p = Pattern{Name: n, Below: below}
	return nil
}
