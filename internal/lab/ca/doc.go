// Package ca makes certificate authorities, certificates and revocation lists in
// memory, for the lab and for tests. Nothing in it is fit for production: keys
// are made on the spot, and a template that cannot be signed is a bug of the
// caller and panics.
//
//	root := ca.New("Fabrikam Root")
//	edge := root.Issue(ca.Leaf{CN: "sip.fabrikam.com", DNS: []string{"sip.fabrikam.com", "fabrikam.com"}})
//	crl := root.CRL(time.Now(), time.Now().Add(time.Hour), edge)
//
// The package is a leaf of the import graph: standard library only.
package ca
