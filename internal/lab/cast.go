package lab

// authority names who signs a certificate in the lab.
type authority string

// The authorities. The edge trusts public for everybody, litware for litware.com
// alone, inside for its pools, and rogue not at all.
const (
	public  authority = "public"
	litware authority = "litware"
	inside  authority = "internal"
	rogue   authority = "rogue"
)

// player is one endpoint of the cast: a partner's edge, a provider's, or a
// member of a pool.
type player struct {
	name   string    // how scenarios call it: mostly its SIP domain
	host   string    // its own host name, found in the zone at 127.0.0.1
	signer authority // of its certificate; "" = it has none
	shows  string    // the name in its certificate; "" = host
	state  certState
	trusts authority // whom it lets in; "" = public outside
	desk   string    // shares scripts and record with the others of this name; "" = alone
	mute   bool      // only dials
	hangup bool      // ends every TLS handshake of a client
}

// certState is what is wrong with a certificate.
type certState uint8

const (
	good certState = iota
	expired
	revoked // by the list of its authority
	early   // valid tomorrow, or so a clock that is behind would say
)

// cast returns everybody who takes part.
func cast() []player {
	return append(pools(), partners()...)
}

func pools() []player {
	return []player{
		{name: "fe1", host: "fe1.corp.contoso.com", signer: inside, shows: "pool.corp.contoso.com", trusts: inside, desk: "front"},
		{name: "fe2", host: "fe2.corp.contoso.com", signer: inside, shows: "pool.corp.contoso.com", trusts: inside, desk: "front"},
	}
}

func partners() []player {
	return []player{
		{name: "fabrikam.com", host: "sip.fabrikam.com", signer: public},
		{name: "litware.com", host: "edge.litware.net", signer: litware},
		{name: "northwind.example", host: "sip.northwind.example", signer: public},
		{name: "relecloud.example", host: "sip.relecloud.example", signer: public},
		{name: "wingtip", host: "sipfed.wingtip.example", signer: public},
		{name: "messenger", host: "federation.messenger.example", signer: public},
		{name: "spam.example", host: "sip.spam.example", signer: public},
		{name: "evil.example", host: "sip.evil.example", signer: public},

		// Partners with a certificate, or a listener, that is not as it should be.
		{name: "wrong-name.example", host: "sip.wrong-name.example", signer: public, shows: "sip.elsewhere.example"},
		{name: "wild.example", host: "sip.wild.example", signer: public, shows: "*.wild.example"},
		{name: "expired.example", host: "sip.expired.example", signer: public, state: expired},
		{name: "revoked.example", host: "sip.revoked.example", signer: public, state: revoked},
		{name: "early.example", host: "sip.early.example", signer: public, state: early},
		{name: "rogue.example", host: "sip.rogue.example", signer: rogue},
		{name: "strict.example", host: "sip.strict.example", signer: public, trusts: rogue},
		{name: "hangup.example", host: "sip.hangup.example", signer: public, hangup: true},
		{name: "nobody.example", host: "sip.nobody.example", mute: true},
	}
}

// service is the SRV record of one SIP domain: which player answers for it.
type service struct {
	domain string
	player string // whose host and port the record names
	target string // instead of the player's host
	name   string // of the record; "" = _sipfederationtls._tcp
}

// services lists every domain that publishes a record for SIP, apart from
// those whose DNS is broken on purpose (addTrouble in zones.go).
func services() []service {
	return []service{
		{domain: "fabrikam.com", player: "fabrikam.com"},
		{domain: "northwind.example", player: "northwind.example"},
		{domain: "tailspin.example", player: "wingtip"},
		{domain: "lucerne.example", player: "wingtip"},
		{domain: "chat.example", player: "messenger"},
		{domain: "oldchat.example", player: "messenger", target: "federation.oldmessenger.example"},
		{domain: "spam.example", player: "spam.example"},
		{domain: "evil.example", player: "evil.example"},
		{domain: "wrong-name.example", player: "wrong-name.example"},
		{domain: "wild.example", player: "wild.example"},
		{domain: "expired.example", player: "expired.example"},
		{domain: "revoked.example", player: "revoked.example"},
		{domain: "early.example", player: "early.example"},
		{domain: "rogue.example", player: "rogue.example"},
		{domain: "strict.example", player: "strict.example"},
		{domain: "hangup.example", player: "hangup.example"},
		{domain: "foreign.example", player: "evil.example"},
		{domain: "relecloud.example", player: "relecloud.example", name: "_sips._tcp"},
		{domain: "unlisted-sips.example", player: "relecloud.example", name: "_sips._tcp"},
	}
}
