package sipfed

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"edged/pkg/sipfed/sipmsg"
)

// phase is where a transaction stands. The edge does not fork, so one state
// serves the server transaction towards the sender and the client transaction
// towards the next hop (RFC 3261 §17, RFC 6026 §7).
type phase uint8

const (
	connecting phase = iota // waits for DNS or for a connection
	calling                 // sent, nothing heard
	proceeding              // a provisional response came
	accepted                // INVITE: a 2xx passed, more of them may follow for 64*T1
	completed               // INVITE: a final response ≥ 300 was sent, its ACK is awaited
	terminated
)

func (p phase) String() string {
	return [...]string{"connecting", "calling", "proceeding", "accepted", "completed", "terminated"}[p]
}

// open reports whether a final response is still owed.
func (p phase) open() bool { return p <= proceeding }

// event is what can happen to a transaction.
type event uint8

const (
	sent         event = iota // the request is in a connection's buffer
	provisional               // 1xx
	success                   // 2xx
	failure                   // a final response ≥ 300 goes to the sender
	acknowledged              // the sender's ACK for such a response
	expired                   // the phase's last timer
	retried                   // the next target is tried
)

// next is the state machine of RFC 3261 §17 over a reliable transport: no
// retransmissions, timers D, I, J and K are zero. It knows no socket and no clock.
func (p phase) next(e event, invite bool) phase {
	switch {
	case p == terminated, e == expired:
		return terminated
	case e == success && invite:
		return accepted // RFC 6026 §7.1
	case e == failure && invite && p.open():
		return completed
	case (e == success || e == failure) && p.open():
		return terminated
	case e == acknowledged && p == completed:
		return terminated
	case e == retried && p.open():
		return connecting
	case e == sent && p == connecting:
		return calling
	case e == provisional && (p == calling || p == proceeding):
		return proceeding
	}
	return p
}

// serverKey names a server transaction (RFC 3261 §17.2.3): branch and sent-by
// of the top Via, the method (ACK and CANCEL meet their INVITE), and, so that
// no partner can reach into another's transactions, the certificate it proved.
func serverKey(c *conn, m *sipmsg.Message) string {
	via := m.Via()
	if !isUnique(via.Branch()) {
		return oldServerKey(c, m, m.To().Tag())
	}
	host, port := via.SentBy()
	key := append(make([]byte, 0, 128), byte(c.side))
	key = append(key, c.key...)
	key = append(key, via.Branch()...)
	key = append(key, 0)
	for _, b := range host {
		key = append(key, lower(b))
	}
	key = binary.BigEndian.AppendUint16(key, port)
	return string(append(key, methodOf(m)...))
}

// isUnique reports whether a branch keeps RFC 3261's promise (§8.1.1.7).
func isUnique(branch []byte) bool {
	const cookie = "z9hG4bK"
	return len(branch) > len(cookie) && string(branch[:len(cookie)]) == cookie
}

// methodOf is the method of the transaction that a request belongs to.
func methodOf(m *sipmsg.Message) string {
	if m.Method == "ACK" || m.Method == "CANCEL" {
		return "INVITE"
	}
	return m.Method
}

// oldServerKey names a transaction of a sender whose branch is not unique, by what
// RFC 2543 has gone by: Request-URI, both tags, Call-ID, CSeq and the whole top Via.
func oldServerKey(c *conn, m *sipmsg.Message, toTag []byte) string {
	top, _ := m.First(sipmsg.Via)
	number, _ := m.CSeq()
	key := append(make([]byte, 0, 256), byte(c.side))
	key = append(key, c.key...)
	for _, part := range [][]byte{top.Text, m.RequestURI(), m.From().Tag(), toTag, m.CallID()} {
		key = append(append(key, 0), part...)
	}
	key = binary.BigEndian.AppendUint32(append(key, 0), number)
	return string(append(key, methodOf(m)...))
}

// acknowledgedBy finds the INVITE that an ACK is for, and locks it. One without a unique
// branch has the To tag of the answer (§17.2.3), which the INVITE may have lacked.
func (s *Server) acknowledgedBy(c *conn, m *sipmsg.Message) *transaction {
	tx := s.table.server(serverKey(c, m))
	if tx == nil && !isUnique(m.Via().Branch()) {
		tx = s.table.server(oldServerKey(c, m, nil))
		if tx != nil && !tx.hasAnswered(m.To().Tag()) {
			tx.mu.Unlock()
			return nil
		}
	}
	return tx
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

var errTableFull = errors.New("transaction table is full")

// table holds the transactions, by the key of their server half and by the branch of
// each of their client halves. It is bounded; its locks are held for a map operation
// only.
type table struct {
	size    atomic.Int64 // of those under way
	seed    maphash.Seed
	servers [tableShards]shard[*transaction]
	clients [tableShards]shard[*attempt]
}

const tableShards = 64

type shard[T any] struct {
	mu sync.Mutex
	m  map[string]T
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.servers {
		t.servers[i].m = make(map[string]*transaction)
		t.clients[i].m = make(map[string]*attempt)
	}
	return t
}

// add enters a transaction unless one of the same key is there, which it
// returns, or the table holds most already.
func (t *table) add(tx *transaction, most int) (known *transaction, err error) {
	s := &t.servers[maphash.String(t.seed, tx.key)%tableShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.m[tx.key]; ok {
		return known, nil
	}
	if t.size.Load() >= int64(most) {
		return nil, errTableFull
	}
	t.size.Add(1)
	s.m[tx.key] = tx
	return nil, nil
}

// server finds a transaction by its key and locks it. It returns nil also if the
// transaction has become another one meanwhile.
func (t *table) server(key string) *transaction {
	s := &t.servers[maphash.String(t.seed, key)%tableShards]
	s.mu.Lock()
	tx := s.m[key]
	s.mu.Unlock()
	if tx == nil {
		return nil
	}
	tx.mu.Lock()
	if tx.key != key {
		tx.mu.Unlock()
		return nil
	}
	return tx
}

// remove takes a transaction out; it reports false if it was out already.
func (t *table) remove(tx *transaction) bool {
	s := &t.servers[maphash.String(t.seed, tx.key)%tableShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx.key == "" || s.m[tx.key] != tx {
		return false
	}
	delete(s.m, tx.key)
	return true
}

func (t *table) addClient(a *attempt) {
	s := &t.clients[maphash.String(t.seed, a.branch)%tableShards]
	s.mu.Lock()
	s.m[a.branch] = a
	s.mu.Unlock()
}

// client finds an attempt by its branch and locks its transaction, as server does.
func (t *table) client(branch []byte) *attempt {
	s := &t.clients[maphash.Bytes(t.seed, branch)%tableShards]
	s.mu.Lock()
	a := s.m[string(branch)]
	s.mu.Unlock()
	if a == nil {
		return nil
	}
	a.tx.mu.Lock()
	if a.branch != string(branch) {
		a.tx.mu.Unlock()
		return nil
	}
	return a
}

func (t *table) removeClient(a *attempt) {
	s := &t.clients[maphash.String(t.seed, a.branch)%tableShards]
	s.mu.Lock()
	delete(s.m, a.branch)
	s.mu.Unlock()
}

// all returns the transactions in the table.
func (t *table) all() []*transaction {
	var all []*transaction
	for i := range t.servers {
		s := &t.servers[i]
		s.mu.Lock()
		for _, tx := range s.m {
			all = append(all, tx)
		}
		s.mu.Unlock()
	}
	return all
}

// open counts the transactions that still owe a final response.
func (t *table) open() int {
	n := 0
	for _, tx := range t.all() {
		if tx.owes() {
			n++
		}
	}
	return n
}
