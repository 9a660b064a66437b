package ca

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

// subjectAltName lists all names of l in one extension: crypto/x509 writes DNS
// names and URIs only. Like crypto/x509 it marks the extension critical where
// there is no subject (RFC 5280 §4.2.1.6).
func (l Leaf) subjectAltName() pkix.Extension {
	var names []asn1.RawValue
	for _, s := range l.DNS {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(s)})
	}
	for _, s := range l.URI {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(s)})
	}
	for _, s := range l.SRV {
		names = append(names, otherName(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7}, asn1.TagIA5String, s))
	}
	for _, s := range l.XMPPAddr {
		names = append(names, otherName(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5}, asn1.TagUTF8String, s))
	}
	return pkix.Extension{
		Id:       asn1.ObjectIdentifier{2, 5, 29, 17},
		Critical: l.CN == "",
		Value:    must(asn1.Marshal(names)),
	}
}

// otherName is [0] { type-id, [0] EXPLICIT string } of RFC 5280 §4.2.1.6.
func otherName(id asn1.ObjectIdentifier, tag int, s string) asn1.RawValue {
	inner := must(asn1.Marshal(asn1.RawValue{Tag: tag, Bytes: []byte(s)}))
	value := must(asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: inner}))
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(must(asn1.Marshal(id)), value...)}
}
