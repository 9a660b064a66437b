package sipfed

import (
	"bytes"
	"net"
	"strings"

	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// verifiedUser is the parameter by which edges tell each other, and the inside,
// whether somebody has made sure who the sender is.
const verifiedUser = "ms-source-verified-user="

// trust tells the inside what it may think of a message from outside
// (MS-SIPRE §2.2.15). Whatever an outsider says of itself is taken off.
func (x *crossing) trust() {
	p := x.adm.decision.Partner
	source, network := "AutoFederation", "federation"
	switch p.Kind {
	case policy.Direct:
		source = "DirectPartner"
	case policy.HostingProvider:
		source = "AuthorizedServer"
	case policy.PublicProvider:
		source, network = "AuthorizedServer", "publiccloud"
	default:
	}
	x.splice.AppendHeader(trustedBy, source, ";ms-ep-fqdn=", x.st.Faces[Internal].Host.String(), ";", verifiedUser,
		word(verifies(p.Verification, x.m)), ";ms-source-network=", network)
	if p.Kind == policy.PublicProvider {
		x.splice.AppendHeader(";ms-remote-fqdn=", p.Proxy.String())
	}
	x.splice.AppendHeader("\r\n")
}

// trustedBy begins the line.
const trustedBy = "ms-edge-proxy-message-trust: ms-source-type="

// generated says of an answer that the edge itself has made it.
func generated(st *State) string {
	return trustedBy + "EdgeProxyGenerated;ms-ep-fqdn=" + st.Faces[Internal].Host.String() + ";" + verifiedUser + word(true)
}

// verifies is whether a partner's message counts as coming from a verified user,
// by the level of its entry.
func verifies(level policy.Verification, m *sipmsg.Message) bool {
	switch level {
	case policy.AlwaysVerifiable:
		return true
	case policy.UseSource:
		return saysVerified(m)
	default:
		return false
	}
}

// saysVerified reads the partner edge's own word about its user. Two words are
// none.
func saysVerified(m *sipmsg.Message) bool {
	v, ok := m.Get(sipmsg.MSAssertedVerification)
	if !ok || m.Count(sipmsg.MSAssertedVerification) > 1 {
		return false
	}
	yes, no := false, false
	for p := range bytes.SplitSeq(v, []byte(";")) {
		name, value, _ := bytes.Cut(p, []byte("="))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte(strings.TrimSuffix(verifiedUser, "="))) {
			is := bytes.EqualFold(bytes.TrimSpace(value), []byte(word(true)))
			yes, no = yes || is, no || !is
		}
	}
	return yes && !no
}

func word(verified bool) string {
	if verified {
		return "verified"
	}
	return "unverified"
}

// tell says of our messages what partners want to know: whether their users are
// verified, and, where people write to each other, that it is archived.
func (x *crossing) tell() {
	verified := x.st.Policy.MarksVerifiable() && !x.adm.guest
	x.splice.AppendHeader("ms-asserted-verification-level: ", verifiedUser, word(verified), "\r\n")
	if x.adm.colleagues() {
		x.splice.AppendHeader(splitDomain)
	}
	notice := x.st.Policy.ArchivingNotice()
	if notice == "" || x.m.Status >= 300 {
		return
	}
	if x.method == "INVITE" || x.method == "MESSAGE" {
		x.splice.AppendHeader(notice, "\r\n")
	}
}

// diagnose explains a peer's refusal to the inside where the peer does not.
func (x *crossing) diagnose(a *attempt) {
	if x.m.Status < 400 || x.m.Count(sipmsg.MSDiagnosticsPublic) > 0 {
		return
	}
	host, _, _ := net.SplitHostPort(a.target)
	x.splice.AppendHeader(silentPeer(x.adm).diagnostics(x.st.Faces[Internal].Host.String(), ""),
		`;Domain="`, x.adm.remote().String(), `";PeerServer="`, verdict.Quotable(host), "\"\r\n")
}
