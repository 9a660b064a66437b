package daemon

import "edged/internal/config"

// What the configuration can say and this version does not do. It is never passed
// over in silence.

// unsupported finds what cannot be left undone: without the PROXY header, every
// bound for one address would count the load balancer's.
func unsupported(c *config.Config) []config.Problem {
	var problems []config.Problem
	for _, side := range []struct {
		path string
		list []config.Listen
	}{
		{"sip.external.listen", c.SIP.External.Listen},
		{"sip.internal.listen", c.SIP.Internal.Listen},
		{"xmpp.external.listen", c.XMPP.External.Listen},
		{"xmpp.external.direct_tls", c.XMPP.External.DirectTLS},
		{"xmpp.internal.listen", c.XMPP.Internal.Listen},
	} {
		for i := range side.list {
			if len(side.list[i].ProxyProtocol) > 0 {
				problems = append(problems, config.Problem{
					Path: item(side.path, i) + ".proxy_protocol",
					Text: "not supported by this version; remove it, and let the load balancer pass connections on with their source addresses",
				})
			}
		}
	}
	return problems
}
