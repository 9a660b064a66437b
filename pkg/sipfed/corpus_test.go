package sipfed

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// corpusWants is what becomes of the messages of RFC 4475 and RFC 5118: those that a
// partner sends, and those in a dialog, which only the inside may send without our
// route. Some that are valid are refused all the same: REGISTER never crosses
// (405), and what is not for a domain of ours is none of our business (403). The
// second message of dblreq is followed by bytes that begin none.
func corpusWants() (inward, outward map[string]string) {
	inward = map[string]string{
		"rfc4475/intmeth.dat": "forward", "rfc4475/esc01.dat": "forward", "rfc4475/esc02.dat": "forward",
		"rfc4475/escnull.dat": "405", "rfc4475/lwsdisp.dat": "forward", "rfc4475/longreq.dat": "forward",
		"rfc4475/dblreq.dat": "405 arrive close", "rfc4475/semiuri.dat": "forward", "rfc4475/transports.dat": "forward",
		"rfc4475/mpart01.dat": "forward", "rfc4475/unreason.dat": "drop", "rfc4475/noreason.dat": "drop",
		"rfc4475/badinv01.dat": "400", "rfc4475/clerr.dat": "stall", "rfc4475/ncl.dat": "400 close",
		"rfc4475/scalar02.dat": "400", "rfc4475/scalarlg.dat": "drop", "rfc4475/quotbal.dat": "400",
		"rfc4475/ltgtruri.dat": "400", "rfc4475/lwsruri.dat": "400", "rfc4475/lwsstart.dat": "400",
		"rfc4475/trws.dat": "400", "rfc4475/escruri.dat": "400", "rfc4475/baddate.dat": "forward",
		"rfc4475/regbadct.dat": "405", "rfc4475/badaspec.dat": "400", "rfc4475/baddn.dat": "400",
		"rfc4475/badvers.dat": "505", "rfc4475/mismatch01.dat": "400", "rfc4475/mismatch02.dat": "400",
		"rfc4475/bigcode.dat": "drop", "rfc4475/badbranch.dat": "400", "rfc4475/insuf.dat": "400",
		"rfc4475/unkscm.dat": "416", "rfc4475/novelsc.dat": "416", "rfc4475/unksm2.dat": "405",
		"rfc4475/bext01.dat": "420", "rfc4475/invut.dat": "forward", "rfc4475/regaut01.dat": "405",
		"rfc4475/multi01.dat": "400", "rfc4475/mcl01.dat": "400 close", "rfc4475/bcast.dat": "drop",
		"rfc4475/zeromf.dat": "483", "rfc4475/cparam01.dat": "405", "rfc4475/cparam02.dat": "405",
		"rfc4475/regescrt.dat": "405", "rfc4475/sdp01.dat": "forward", "rfc4475/inv2543.dat": "400 close",
		"rfc5118/ipv6-good.dat": "405", "rfc5118/ipv6-bad.dat": "400", "rfc5118/port-ambiguous.dat": "405",
		"rfc5118/port-unambiguous.dat": "405", "rfc5118/via-received-param-no-delim.dat": "forward",
		"rfc5118/ipv6-in-sdp.dat": "forward", "rfc5118/mult-ip-in-sdp.dat": "forward",
		"rfc5118/ipv4-mapped-ipv6.dat": "forward", "rfc5118/ipv6-bug-abnf-3-colons.dat": "403",
		"rfc5118/ipv6-correct-abnf-2-colons.dat": "403",
	}
	outward = map[string]string{
		"rfc4475/wsinv.dat": "forward", "rfc5118/mult-ip-in-header.dat": "forward",
		"rfc5118/via-received-param-with-delim.dat": "forward",
	}
	return inward, outward
}

// corpusDir is where the messages are: the folder in EDGED_CORPUS, or one beside
// the checkout.
func corpusDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("EDGED_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no messages of the RFCs here; set EDGED_CORPUS to a folder with rfc4475/*.dat and rfc5118/*.dat. TestTorture/ours has the same tricks")
	}
	return dir
}

// checkComplete finds messages without a verdict.
func checkComplete(t *testing.T, dir string, wants ...map[string]string) {
	t.Helper()
	files := must(filepath.Glob(filepath.Join(dir, "rfc*", "*.dat")))
	var known []string
	for _, w := range wants {
		known = slices.AppendSeq(known, maps.Keys(w))
	}
	for _, file := range files {
		if name, _ := filepath.Rel(dir, file); !slices.Contains(known, name) {
			t.Errorf("%s has no verdict", name)
		}
	}
	if len(files) != len(known) {
		t.Errorf("%d messages, %d verdicts", len(files), len(known))
	}
}

var startLine = regexp.MustCompile(`(?m)^(\S+ +<?sips?:(?:[^\r\n]*@)?)([A-Za-z0-9.-]+|\[[^]\r\n]*\])([^\r\n]* SIP/\d\.0 *\r?)$`)

// corpusMessage reads a message and addresses it: what it is for, or goes by, is
// ours or a partner's. Nothing else of it is changed, but for an end where a file
// lacks one.
func corpusMessage(t *testing.T, dir, name, to string) string {
	t.Helper()
	raw := string(must(os.ReadFile(filepath.Join(dir, name))))
	if strings.HasSuffix(name, "/baddn.dat") {
		raw += "\r\n"
	}
	if !regexp.MustCompile(`/(ipv6-(bad|good|bug|correct)|port-)`).MatchString(name) { // there the Request-URI is the point
		raw = startLine.ReplaceAllString(raw, "${1}"+to+"${3}")
	}
	if to == "fabrikam.com" && !strings.Contains(raw, "Route:") {
		raw = strings.Replace(raw, "\r\n", "\r\nRoute: <sip:services.example.com;lr>\r\n", 1)
	}
	raw = strings.Replace(raw, "services.example.com", partnerAddr, 1)
	return strings.Replace(raw, "<sip:127.0.0.1:5080>", "<sip:sip.contoso.com>", 1)
}
