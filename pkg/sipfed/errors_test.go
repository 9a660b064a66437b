package sipfed

import (
	"strings"
	"testing"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// TestAnswers: what each reason looks like inside and outside.
func TestAnswers(t *testing.T) {
	tests := []struct {
		reason          verdict.Reason
		inside, outside int // status
		id              int // inside only
	}{
		{verdict.FederationOff, 403, 403, 1027},
		{verdict.NotOurs, 403, 403, 1005},
		{verdict.DomainBlocked, 403, 403, 1027},
		{verdict.DomainUnlisted, 403, 403, 1027},
		{verdict.ProviderUnlisted, 403, 403, 1028},
		{verdict.ProviderDisabled, 403, 403, 1027},
		{verdict.IdentityMismatch, 403, 403, 1005},
		{verdict.CombinationRefused, 403, 403, 1017},
		{verdict.TypeMixed, 403, 403, 1005},
		{verdict.TargetOutsideDomain, 504, 504, 1009},
		{verdict.UserNotFederated, 403, 404, 1002},
		{verdict.UserNotXMPP, 403, 404, 1002},
		{verdict.UserNotPublic, 403, 404, 1001},
		{verdict.UserNotPublicAV, 403, 404, 1001},
		{verdict.UserUnreadable, 403, 404, 1002},
		{verdict.NoConsent, 403, 404, 1002},
		{verdict.BudgetExhausted, 480, 480, 0},
		{verdict.DNSNoRecord, 504, 504, 1008},
		{verdict.DNSFailed, 504, 504, 1008},
		{verdict.DNSNoAddress, 504, 504, 1014},
		{verdict.DNSLimited, 480, 480, 0},
		{verdict.TargetPrivate, 504, 504, 1046},
		{verdict.ConnectFailed, 504, 504, 1046},
		{verdict.TLSFailed, 504, 504, 1047},
		{verdict.CertificateRefused, 504, 504, 1010},
		{verdict.ConnectionLost, 504, 504, 1007},
		{verdict.NoAnswer, 408, 408, 1007},
		{verdict.PoolDown, 504, 504, 1007},
		{verdict.QueueFull, 480, 480, 1007},
		{verdict.PeerRefused, 500, 500, 1034},
		{verdict.NegotiationFailed, 504, 504, 1047},
		{verdict.DialbackInvalid, 504, 504, 1010},
		{verdict.Overloaded, 503, 503, 1007},
		{verdict.ShuttingDown, 503, 503, 1007},
		{verdict.Malformed, 400, 400, 0},
		{verdict.VersionUnsupported, 505, 505, 0},
		{verdict.SchemeUnsupported, 416, 416, 0},
		{verdict.ExtensionUnsupported, 420, 420, 0},
		{verdict.MethodRefused, 405, 405, 0},
		{verdict.HopsExhausted, 483, 483, 0},
		{verdict.BreadthExhausted, 440, 440, 0},
		{verdict.LoopDetected, 482, 482, 0},
		{verdict.RouteInvalid, 481, 481, 1004},
		{verdict.SenderAnonymous, 403, 403, 1005},
		{verdict.PrivacyUnsupported, 500, 500, 0},
		{verdict.URITooLong, 414, 414, 0},
		{verdict.HeadersTooLarge, 513, 513, 0},
		{verdict.BodyTooLarge, 413, 413, 0},
		{verdict.TooSlow, 400, 400, 0},
		{verdict.Cancelled, 487, 487, 0},
		{verdict.NeedsDNS, 504, 504, 1008},
	}
	listed := map[verdict.Reason]bool{verdict.Allowed: true}
	for _, tt := range tests {
		listed[tt.reason] = true
		in, out := answerTo(tt.reason, Internal), answerTo(tt.reason, External)
		if in.status != tt.inside || out.status != tt.outside || in.id != tt.id {
			t.Errorf("%s: inside %d id %d, outside %d; want %d id %d, %d", tt.reason, in.status, in.id, out.status, tt.inside, tt.id, tt.outside)
		}
		if in.phrase == "" || out.phrase == "" {
			t.Errorf("%s has no phrase", tt.reason)
		}
	}
	for _, r := range verdict.Reasons() {
		if !listed[r] {
			t.Errorf("%s has no row", r)
		}
	}
}

// TestOutsideLearnsNothing: whatever the reason, an outsider's
// answer holds no diagnostics, rule or detail, and all reasons about a local
// user look alike.
func TestOutsideLearnsNothing(t *testing.T) {
	req, err := sipmsg.Parse([]byte(wire(request("MESSAGE", "1", ""))), sipmsg.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	st := &State{Faces: [2]Face{}}
	alike := ""
	for _, reason := range verdict.Reasons() {
		r := &refusal{reason: reason, rule: "blocked_domains: secret.example", detail: "10.9.8.7 secret"}
		a := answerTo(reason, External)
		text := string(sipmsg.AppendResponse(nil, req, a.status, a.phrase, "tag", answerLines(st, External, a, r)...))
		for _, leak := range []string{"ms-diagnostics", "secret", "10.9", "Warning", "Server:", reason.String()} {
			if strings.Contains(text, leak) {
				t.Errorf("%s tells an outsider %q:\n%s", reason, leak, text)
			}
		}
		if !hidesUser(reason) {
			continue
		}
		if alike != "" && alike != text {
			t.Errorf("%s can be told from the others:\n%s", reason, text)
		}
		alike = text
	}
}

func TestDiagnosticsStayOneLine(t *testing.T) {
	line := answerTo(verdict.DNSFailed, Internal).diagnostics("edge", "a\"b\\c\r\nX-Evil: 1\x00")
	if strings.ContainsAny(line, "\r\n\x00\\") || strings.Count(line, `"`) != 6 {
		t.Errorf("got %q", line)
	}
}
