// Package proxyproto learns from a load balancer who is at the other end of a
// connection: the PROXY protocol of HAProxy, versions 1 and 2.
//
// The header is read from the connection byte for byte, and not a byte more, so that
// TLS or XML begin on the very connection behind it: nothing is wrapped, and nothing
// is left in a buffer. Who is believed is configuration: from everybody else a header
// is what any other nonsense is.
package proxyproto
