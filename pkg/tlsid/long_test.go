package tlsid_test

import (
	"strconv"
	"testing"

	"edged/internal/lab/ca"
)

// TestLongChains: six authorities between leaf and root are more than anybody has; what
// comes behind them is not looked at, because strangers could have us verify without end.
func TestLongChains(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	below := root
	for n := range 9 {
		chain := presented(t, below.Issue(ca.Leaf{DNS: []string{"a.test"}, URI: []string{"sip:a.test"}}))
		_, sip := roots.Identify(chain)
		_, xmpp := roots.IdentifyXMPP(chain)
		if good := n <= 6; (sip == nil) != good || (xmpp == nil) != good {
			t.Errorf("%d authorities in between: %v, %v", n, sip, xmpp)
		}
		below = below.Intermediate("Intermediate " + strconv.Itoa(n))
	}
}
