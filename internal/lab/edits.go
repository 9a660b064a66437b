package lab

import (
	"fmt"
	"regexp"
	"strings"

	"edged/internal/lab/sippeer"
)

// What scenarios change in a request before it is sent.

func header(name, value string) func(*sippeer.Message) {
	return func(m *sippeer.Message) { m.Fields = append(m.Fields, fields(name, value)...) }
}

func fields(name, value string) []sippeer.Field { return []sippeer.Field{{Name: name, Value: value}} }

func set(name, value string) func(*sippeer.Message) {
	return func(m *sippeer.Message) { m.Set(name, value) }
}

func start(format string) func(*sippeer.Message) {
	return func(m *sippeer.Message) { m.Start = fmt.Sprintf(format, m.Method()) }
}

func body(text string) func(*sippeer.Message) {
	return func(m *sippeer.Message) { m.Body = text }
}

// bloated makes the header section longer than any bound.
func bloated(m *sippeer.Message) {
	for range 200 {
		header("Subject", strings.Repeat("x", 500))(m)
	}
}

// presence is what every Microsoft client asks for in a SUBSCRIBE.
func presence(m *sippeer.Message) {
	header("Event", "presence")(m)
	header("Proxy-Require", "ms-benotify")(m)
	header("Supported", "ms-benotify, ms-piggyback-first-notify")(m)
}

func notice(m *sippeer.Message) {
	header("Event", "presence")(m)
	header("Subscription-State", "active")(m)
}

// verification is the field by which edges tell each other who is verified.
const verification = "ms-asserted-verification-level"

// colleague checks that what goes between users of ours, here and at a provider, is
// marked as that.
func colleague(_, got *sippeer.Message) string {
	if all := got.All(splitDomain); len(all) != 1 || all[0] != "ms-traffic-type=SplitIntra" {
		return fmt.Sprintf("%s is %q", splitDomain, all)
	}
	return ""
}

const splitDomain = "ms-split-domain-info"

// boasts adds headers by which the inside would take a stranger's word.
func boasts(m *sippeer.Message) {
	header("ms-edge-proxy-message-trust", "ms-source-type=InternetUser;ms-ep-fqdn=sip.fabrikam.com;ms-source-verified-user=verified")(m)
	header(verification, "ms-source-verified-user=verified")(m)
	header("P-Asserted-Identity", "<sip:ceo@contoso.com>")(m)
}

// humbled checks that nothing of boasts came through.
func humbled(sent, got *sippeer.Message) string {
	for _, name := range []string{"ms-edge-proxy-message-trust", verification, "P-Asserted-Identity"} {
		for _, value := range got.All(name) {
			if value == sent.Get(name) {
				return name + " came through as the partner wrote it"
			}
		}
	}
	return ""
}

// source checks what the inside is told about where a request comes from, and
// whether its sender is verified.
func source(kind, verified, network string) func(sent, got *sippeer.Message) string {
	want := "ms-source-type=" + kind + ";ms-ep-fqdn=" + insideName + ";ms-source-verified-user=" + verified + ";ms-source-network=" + network
	return func(_, got *sippeer.Message) string {
		if all := got.All("ms-edge-proxy-message-trust"); len(all) != 1 || all[0] != want {
			return fmt.Sprintf("ms-edge-proxy-message-trust is %q, not %q", all, want)
		}
		return ""
	}
}

// vouched checks that partners are told that our users are verified, in the
// edge's words only, and that what they write is archived.
func vouched(_, got *sippeer.Message) string {
	if all := got.All(verification); len(all) != 1 || all[0] != "ms-source-verified-user=verified" {
		return fmt.Sprintf("ms-asserted-verification-level is %q", all)
	}
	if got.Get("X-Archiving-Notice") == "" {
		return "nothing says that messages are archived"
	}
	return ""
}

// secretive asks for privacy about what the pool asserts (RFC 3325 §7).
func secretive(m *sippeer.Message) {
	header("Privacy", "id")(m)
	header("P-Asserted-Identity", "<sip:alice.private@contoso.com>")(m)
}

func discreet(_, got *sippeer.Message) string {
	if got.Has("P-Asserted-Identity") {
		return "P-Asserted-Identity left although Privacy says id"
	}
	return ""
}

// asserts says who the partner's user is, and more than the partner can prove.
func asserts(m *sippeer.Message) {
	header("P-Asserted-Identity", "<sip:lena.m@litware.com>, <sip:ceo@contoso.com>, <tel:+15550100>")(m)
}

func asserted(_, got *sippeer.Message) string {
	if all := got.All("P-Asserted-Identity"); len(all) != 1 || all[0] != "<sip:lena.m@litware.com>" {
		return fmt.Sprintf("P-Asserted-Identity is %q", all)
	}
	return ""
}

// asserting has the pool say who hides in From, to us alone.
func asserting(user string) func(*sippeer.Message) {
	return func(m *sippeer.Message) {
		header("Privacy", "id")(m)
		header("P-Asserted-Identity", "<sip:"+user+">")(m)
	}
}

// proves shows credentials for a realm inside, and for the partner's.
func proves(m *sippeer.Message) {
	header("Authorization", `NTLM qop="auth", realm="SIP Communications Service", targetname="fe1.corp.contoso.com"`)(m)
	header("Authorization", `Digest username="alice", realm="corp.contoso.com", response="x"`)(m)
	header("Proxy-Authorization", `Digest username="alice", realm="fabrikam.com", response="y"`)(m)
}

func unproven(_, got *sippeer.Message) string {
	if got.Has("Authorization") || !got.Has("Proxy-Authorization") {
		return "credentials for the inside left, or those for the partner did not"
	}
	return ""
}

// named says what software and which hosts there are inside.
func named(m *sippeer.Message) {
	header("User-Agent", "UCCAPI/16")(m)
	header("Warning", `399 fe1.corp.contoso.com "none"`)(m)
}

func nameless(_, got *sippeer.Message) string {
	if got.Has("User-Agent") || got.Get("Warning") != "399 "+outsideName+` "none"` {
		return "the names of the inside left"
	}
	return ""
}

// forged changes a letter of every long token in Route.
func forged(m *sippeer.Message) {
	token := regexp.MustCompile(`[A-Za-z0-9_-]{24,}`)
	for i, f := range m.Fields {
		if f.Name == "Route" {
			m.Fields[i].Value = token.ReplaceAllStringFunc(f.Value, flip)
		}
	}
}

func flip(token string) string {
	other := "A"
	if token[12] == 'A' {
		other = "B"
	}
	return token[:12] + other + token[13:]
}
