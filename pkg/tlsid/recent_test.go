package tlsid

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"testing"
	"time"
)

// TestRecentBound: the memory of chains never grows over its bound, and the chain
// just put in is always there.
func TestRecentBound(t *testing.T) {
	var r recent[Identity]
	now := time.Now()
	for i := range 3 * recentMost {
		var key [32]byte
		binary.BigEndian.PutUint64(key[:], uint64(i))
		r.put(key, Identity{}, now)
		if _, ok := r.get(key, now); !ok || len(r.proven) > recentMost {
			t.Fatalf("after %d chains: found %v, holding %d", i+1, ok, len(r.proven))
		}
	}
}

// TestSeveralCommonNames: no one of them is taken.
func TestSeveralCommonNames(t *testing.T) {
	cn := func(s string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: s}
	}
	c := &x509.Certificate{Subject: pkix.Name{Names: []pkix.AttributeTypeAndValue{cn("a.test"), cn("b.test")}}}
	if names, _ := sipNames(c); len(names) != 0 {
		t.Errorf("names %v, want none", names)
	}
}
