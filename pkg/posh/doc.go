// Package posh asks a domain, over HTTPS, which certificates its XMPP server has
// (RFC 7711, PKIX over Secure HTTP).
//
// A hosted domain seldom has a certificate on the server of its host. It says
// instead, at a well-known place of its own web server, by which certificates it is
// to be recognised, or who else can tell. The web server's certificate is what
// proves it, so that this is as good as a certificate with the domain's name.
//
// client.go takes the question, looks into the cache (cache.go) and sees to it that
// a domain is asked only once at a time; fetch.go gets the documents, each by a
// request of transport.go; document.go reads them; set.go compares a certificate
// with what they say.
//
// Everything a stranger's web server can do is bounded: time, size, redirects,
// references, fingerprints, and how long what it said is believed.
package posh
