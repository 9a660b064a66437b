package admin

import "time"

// Status is what the status page shows: everything at one moment, bounded.
type Status struct {
	Running
	Host     string    // the gateway's own name
	Started  time.Time // of the process
	Now      time.Time
	Waiting  string // why it does not serve; "" if it does
	Enabled  bool   // federation is switched on
	Traffic  []Traffic
	Partners []Partner // the most telling first
	More     int       // partners that are not among them
	Refusals []TraceLine
	Pools    []Pool
	Checks   []Check
	Checked  time.Time // when Checks were made; zero if they are still to come
	Certs    []Certificate
	Reloads  []Reload // the newest first
	Watched  []Watched
	// MoreWatched is how many are watched who are not in Watched.
	MoreWatched int
	// Unwritten says what cannot be written to disk, and what of it.
	Unwritten []string
}

// Traffic is what crosses by one protocol.
type Traffic struct {
	Proto       string
	Connections int     // on either side
	In, Out     float64 // messages a minute
}

// PartnerState is how a partner does.
type PartnerState string

// The states.
const (
	Connected PartnerState = "connected" // something is open
	Idle      PartnerState = "idle"      // nothing is open, and nothing failed lately
	Failing   PartnerState = "failing"   // the last thing that was tried did not work
	Held      PartnerState = "watched"   // on the watch list
	Off       PartnerState = "off"       // switched off in the policy
)

// Partner is one domain, or one provider, and how it does.
type Partner struct {
	Proto    string
	Name     string
	Kind     string // allowed, direct, discovered, ...
	State    PartnerState
	Proven   []string  // how, and under whose roots
	NotAfter time.Time // when the first of its certificates expires; zero if none is known
	Open     int       // connections
	In, Out  float64   // messages a minute
	Total    uint64    // messages since the start
	Refused  *TraceLine
}

// Check is one thing that the world should see of us, and how it is.
type Check struct {
	State string // ok, warning, wrong or unknown
	About string
	Text  string
	Cure  string
}

// Certificate is one of ours.
type Certificate struct {
	Side     string
	File     string
	NotAfter time.Time
}

// Reload is one attempt to put a configuration in force.
type Reload struct {
	Time           time.Time
	What           string // start, reload or refresh
	Config, Policy string // hashes, if it was put in force
	Err            string // why it was not
}
