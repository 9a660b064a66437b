package policy

// Proof is how an XMPP partner proved its domain on a stream.
type Proof uint8

// The proofs. The zero value is not said: whoever authenticated the stream has
// kept to XMPPSettings.Ways already.
const (
	_             Proof = iota
	ByCertificate       // a certificate that an authority signed, by SASL EXTERNAL
	ByDANE              // the same, but vouched for by TLSA records
	ByPOSH              // the same, but vouched for by the domain's web server
	ByTLSDialback       // Server Dialback on an encrypted stream
	ByTCPDialback       // Server Dialback in the clear
)

func proofs() []string {
	return []string{"unset", "certificate", "dane", "posh", "tls-dialback", "tcp-dialback"}
}

// String returns the proof in lower case, such as "tls-dialback".
func (p Proof) String() string { return word(p, proofs()) }

// UnmarshalText reads the words that String writes.
func (p *Proof) UnmarshalText(b []byte) error { return parse(p, b, proofs()) }

// Ways are the ways of proving itself that a partner's tls, sasl and dialback
// leave open, the best one first: it is used if the partner can.
type Ways struct {
	Certificate bool // SASL EXTERNAL, which needs TLS
	TLSDialback bool // Server Dialback on an encrypted stream
	TCPDialback bool // Server Dialback in the clear
}

// Ways returns what the settings leave open; none of it if they contradict each
// other, which Compile refuses. All have to be filled in, as in a Partner.
func (x XMPPSettings) Ways() Ways {
	dialback := x.Dialback.On()
	return Ways{
		Certificate: x.TLS != NotSupported && x.SASL != NotSupported,
		// With tls: optional a partner may leave TLS away, and SASL with it; where
		// dialback is then accepted in the clear, it is encrypted too.
		TLSDialback: dialback && x.TLS != NotSupported && (x.TLS != Required || x.SASL != Required),
		TCPDialback: dialback && x.TLS != Required,
	}
}

// Accepts tells whether the settings let a partner prove itself in that way.
func (x XMPPSettings) Accepts(p Proof) bool {
	w := x.Ways()
	switch p {
	case ByCertificate:
		return w.Certificate
	case ByDANE:
		return w.Certificate && x.DANE.On()
	case ByPOSH:
		return w.Certificate && x.POSH.On()
	case ByTLSDialback:
		return w.TLSDialback
	case ByTCPDialback:
		return w.TCPDialback
	}
	return true // not said
}
