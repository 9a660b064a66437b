package posh

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"edged/pkg/domain"
)

// The bounds that are not configured.
const (
	maxBody         = 64 << 10  // octets of a document
	maxAnswer       = 256 << 10 // octets of a response with its header, however it is cut into chunks
	maxInterim      = 8         // responses that only announce the one to come (RFC 9110 §15.2)
	maxRedirects    = 10        // on the way to one document (RFC 7711 §10)
	maxFingerprints = 100       // of one domain
	maxFlights      = 64        // look-ups under way
	maxErrorText    = 500       // octets of what is remembered of a failure

	// A document is believed no longer, whatever it says: whoever changes a
	// certificate in haste does not want to wait for a week.
	maxLifetime = 24 * time.Hour
	// That there is no good document is remembered so long, a failure for less.
	absenceLifetime = 15 * time.Minute
	failureLifetime = time.Minute
)

// Config tells a Client how to reach web servers. A zero field means its default.
type Config struct {
	// Dial connects to "host:port" of a web server, which is where a stranger sends
	// us: it must refuse what may not be dialled, after it has looked the host up.
	// Without it every look-up fails.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Roots vouch for web servers. Default: the system's.
	Roots *x509.CertPool
	// CacheSize bounds the domains remembered. Default 1000.
	CacheSize int
	// Timeout bounds a whole look-up, redirects and reference included. Default 10s.
	Timeout time.Duration
	// Now is the clock for what is remembered. Default time.Now.
	Now func() time.Time
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Dial == nil {
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("posh: Config.Dial is missing")
		}
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 1000
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Client asks web servers and remembers. It is safe for concurrent use.
type Client struct {
	config  Config
	http    *http.Client
	cache   cache
	running sync.WaitGroup

	mu      sync.Mutex
	flights map[domain.Name]*flight // guarded by mu; at most maxFlights
	closed  bool                    // guarded by mu
}

// flight is a look-up under way. Many may wait for one; none of them owns it, so
// that one who gives up does not end it for the others.
type flight struct {
	done   chan struct{}      // closed when entry is there
	entry  *entry             // fixed once done is closed
	cancel context.CancelFunc // ends the look-up early
}

// New returns a Client. It starts nothing until asked; end it with Close.
func New(c Config) *Client {
	c = c.withDefaults()
	return &Client{
		config:  c,
		http:    newHTTP(c),
		cache:   cache{max: c.CacheSize, entries: make(map[domain.Name]*entry)},
		flights: make(map[domain.Name]*flight),
	}
}

// Lookup returns what d says about the certificates of its XMPP server. Any error
// is an *Error. An answer is remembered as long as it allows, at most a day; that
// there is none for 15 minutes, a failure for one. If ctx ends first the look-up
// goes on for whoever asks next.
func (c *Client) Lookup(ctx context.Context, d domain.Name) (Set, error) {
	if e := c.cache.get(d, c.config.Now()); e != nil {
		return e.set, e.err
	}
	f, err := c.join(d)
	if err != nil {
		return Set{}, err
	}
	select {
	case <-f.done:
		return f.entry.set, f.entry.err
	case <-ctx.Done():
		return Set{}, &Error{Kind: Failed, Domain: d, Err: ctx.Err()}
	}
}

// Close ends the look-ups under way, which fail for those who wait for them, and
// returns when they have ended. Later ones fail, unless the answer is remembered.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		f.cancel()
	}
	c.mu.Unlock()
	c.running.Wait()
}

// join returns the flight for d and starts it if there is none.
func (c *Client) join(d domain.Name) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[d]; ok {
		return f, nil
	}
	// A flight may have landed since the caller looked into the cache.
	if e := c.cache.get(d, c.config.Now()); e != nil {
		f := &flight{done: make(chan struct{}), entry: e}
		close(f.done)
		return f, nil
	}
	if c.closed {
		return nil, &Error{Kind: Failed, Domain: d, Err: net.ErrClosed}
	}
	if len(c.flights) >= maxFlights {
		return nil, &Error{Kind: Busy, Domain: d}
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[d] = f
	c.running.Go(func() { c.fly(ctx, d, f) })
	return f, nil
}

// fly does the look-up. The cache has the entry before the flight is gone, so that
// nobody in between asks again.
func (c *Client) fly(ctx context.Context, d domain.Name, f *flight) {
	defer f.cancel()
	f.entry = c.fetch(ctx, d)
	c.cache.put(d, f.entry)
	c.mu.Lock()
	delete(c.flights, d)
	c.mu.Unlock()
	close(f.done)
}
