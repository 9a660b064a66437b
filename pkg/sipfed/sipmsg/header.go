package sipmsg

// Header is the identity of a header field name, whatever its spelling: case and
// compact form make no difference (RFC 3261 §7.3.3).
type Header uint8

// The names this package tells apart. Everything else is Other.
const (
	Other Header = iota
	Via
	From
	To
	CallID
	CSeq
	MaxForwards
	ContentLength
	ContentType
	ContentEncoding
	ContentLanguage
	Route
	RecordRoute
	Path
	ServiceRoute
	Contact
	Require
	ProxyRequire
	Supported
	Unsupported
	Allow
	AllowEvents
	Accept
	AcceptEncoding
	AcceptLanguage
	AcceptContact
	RejectContact
	RequestDisposition
	Event
	Expires
	MinExpires
	SessionExpires
	MinSE
	SubscriptionState
	RetryAfter
	Warning
	Reason
	Subject
	Timestamp
	Date
	Server
	UserAgent
	ReferTo
	ReferredBy
	Replaces
	Join
	InReplyTo
	HistoryInfo
	Diversion
	AlertInfo
	CallInfo
	ErrorInfo
	Authorization
	ProxyAuthorization
	WWWAuthenticate
	ProxyAuthenticate
	AuthenticationInfo
	ProxyAuthenticationInfo
	Identity
	IdentityInfo
	Privacy
	PAssertedIdentity
	PPreferredIdentity
	RemotePartyID
	MaxBreadth
	MSDiagnostics
	MSDiagnosticsPublic
	MSEdgeTrust
	MSAssertedVerification
	MSSplitDomain

	headerCount
)

// names holds the spelling for output and error texts. A constant table.
var names = [headerCount]string{
	Other: "header", Via: "Via", From: "From", To: "To", CallID: "Call-ID", CSeq: "CSeq",
	MaxForwards: "Max-Forwards", ContentLength: "Content-Length", ContentType: "Content-Type",
	ContentEncoding: "Content-Encoding", ContentLanguage: "Content-Language", Route: "Route",
	RecordRoute: "Record-Route", Path: "Path", ServiceRoute: "Service-Route", Contact: "Contact",
	Require: "Require", ProxyRequire: "Proxy-Require", Supported: "Supported",
	Unsupported: "Unsupported", Allow: "Allow", AllowEvents: "Allow-Events", Accept: "Accept",
	AcceptEncoding: "Accept-Encoding", AcceptLanguage: "Accept-Language",
	AcceptContact: "Accept-Contact", RejectContact: "Reject-Contact",
	RequestDisposition: "Request-Disposition", Event: "Event", Expires: "Expires",
	MinExpires: "Min-Expires", SessionExpires: "Session-Expires", MinSE: "Min-SE",
	SubscriptionState: "Subscription-State", RetryAfter: "Retry-After", Warning: "Warning",
	Reason: "Reason", Subject: "Subject", Timestamp: "Timestamp", Date: "Date", Server: "Server",
	UserAgent: "User-Agent", ReferTo: "Refer-To", ReferredBy: "Referred-By", Replaces: "Replaces",
	Join: "Join", InReplyTo: "In-Reply-To", HistoryInfo: "History-Info", Diversion: "Diversion",
	AlertInfo: "Alert-Info", CallInfo: "Call-Info", ErrorInfo: "Error-Info",
	Authorization: "Authorization", ProxyAuthorization: "Proxy-Authorization",
	WWWAuthenticate: "WWW-Authenticate", ProxyAuthenticate: "Proxy-Authenticate",
	AuthenticationInfo:      "Authentication-Info",
	ProxyAuthenticationInfo: "Proxy-Authentication-Info",
	Identity:                "Identity", IdentityInfo: "Identity-Info", Privacy: "Privacy",
	PAssertedIdentity: "P-Asserted-Identity", PPreferredIdentity: "P-Preferred-Identity",
	RemotePartyID: "Remote-Party-ID", MaxBreadth: "Max-Breadth", MSDiagnostics: "ms-diagnostics",
	MSDiagnosticsPublic:    "ms-diagnostics-public",
	MSEdgeTrust:            "ms-edge-proxy-message-trust",
	MSAssertedVerification: "ms-asserted-verification-level", MSSplitDomain: "ms-split-domain-info",
}

// String is the long form of the name as it is written on output; "header" for
// Other.
func (h Header) String() string {
	if h >= headerCount {
		return names[Other]
	}
	return names[h]
}

// List reports whether the grammar of the field is a comma-separated list, so
// that its rows may be joined and split (§7.3.1). The authentication fields are
// none although they contain commas.
func (h Header) List() bool {
	switch h {
	case Via, Route, RecordRoute, Path, ServiceRoute, Contact, Require, ProxyRequire, Supported,
		Unsupported, Allow, AllowEvents, Accept, AcceptEncoding, AcceptLanguage, AcceptContact,
		RejectContact, RequestDisposition, ContentEncoding, ContentLanguage, Warning, Reason,
		InReplyTo, HistoryInfo, Diversion, AlertInfo, CallInfo, ErrorInfo, PAssertedIdentity,
		PPreferredIdentity:
		return true
	default:
		return false
	}
}

// headerSet is a set of headers.
type headerSet [(headerCount + 63) / 64]uint64

func (s *headerSet) add(h Header)      { s[h/64] |= 1 << (h % 64) }
func (s *headerSet) has(h Header) bool { return s[h/64]&(1<<(h%64)) != 0 }

// byLength finds candidates by the length of the long form. A constant table.
var byLength = tabulate()

func tabulate() (t [32][]Header) {
	for h := Via; h < headerCount; h++ {
		n := len(names[h])
		t[n] = append(t[n], h)
	}
	return t
}

// identify returns the Header of a name as it stands in a message.
func identify(name []byte) Header {
	if len(name) == 1 {
		return compact(name[0] | 0x20)
	}
	if len(name) >= len(byLength) {
		return Other
	}
	for _, h := range byLength[len(name)] {
		if string(name) == names[h] {
			return h
		}
	}
	for _, h := range byLength[len(name)] {
		if sameName(name, names[h]) {
			return h
		}
	}
	return Other
}

// sameName compares two tokens of the same length without regard to case.
func sameName(a []byte, b string) bool {
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// compact knows the one-letter forms of the IANA registry.
func compact(c byte) Header {
	switch c {
	case 'a':
		return AcceptContact
	case 'b':
		return ReferredBy
	case 'c':
		return ContentType
	case 'd':
		return RequestDisposition
	case 'e':
		return ContentEncoding
	case 'f':
		return From
	case 'i':
		return CallID
	case 'j':
		return RejectContact
	case 'k':
		return Supported
	case 'l':
		return ContentLength
	case 'm':
		return Contact
	case 'n':
		return IdentityInfo
	case 'o':
		return Event
	case 'r':
		return ReferTo
	case 's':
		return Subject
	case 't':
		return To
	case 'u':
		return AllowEvents
	case 'v':
		return Via
	case 'x':
		return SessionExpires
	case 'y':
		return Identity
	}
	return Other
}
