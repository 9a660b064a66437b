package sipfed

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"edged/pkg/sipfed/sipmsg"
)

// echo is what a response has to repeat of its request (RFC 3261 §8.2.6.2), as
// digests: the request need not be kept for it.
type echo struct {
	digest uint64   // dialog, number, and the way back: all Via values
	routes []uint64 // the servers in the sender's Record-Route values
	port   uint16   // of the sender's Via, where it may be reached
	inside bool     // its credentials are for our own servers
}

func newEcho(st *State, seed maphash.Seed, m *sipmsg.Message) echo {
	e := echo{digest: echoDigest(seed, m, 0), inside: st.carriesCredentials(m)}
	_, e.port = m.Via().SentBy()
	if m.Count(sipmsg.RecordRoute) > 0 {
		for v := range m.Each(sipmsg.RecordRoute) {
			e.routes = append(e.routes, serverDigest(seed, v))
		}
	}
	return e
}

// echoDigest is of what a message says of its dialog, and of its Via values below the
// topmost ones: those of the servers that the response will pass.
func echoDigest(seed maphash.Seed, m *sipmsg.Message, topmost int) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	number, _ := m.CSeq()
	for _, part := range [][]byte{m.CallID(), m.From().Tag(), binary.BigEndian.AppendUint32(nil, number)} {
		_, _ = h.Write(part)
		_ = h.WriteByte(0)
	}
	for v := range m.Each(sipmsg.Via) {
		if topmost--; topmost < 0 {
			writeVia(&h, v.Text)
		}
	}
	return h.Sum64()
}

// writeVia writes what a Via value leads to, and by which branch. Spellings may differ,
// and parameters be added.
func writeVia(h *maphash.Hash, text []byte) {
	via, err := sipmsg.ParseVia(text)
	if err != nil {
		writeLower(h, text)
	}
	host, port := via.SentBy()
	writeLower(h, host)
	_ = h.WriteByte(0) // which is in no host
	_, _ = h.Write(binary.BigEndian.AppendUint16(nil, port))
	_, _ = h.Write(via.Branch())
	_ = h.WriteByte(0)
}

// serverDigest is of the server that a Route or Record-Route value leads to.
// Spellings may differ; a value that cannot be read is its text.
func serverDigest(seed maphash.Seed, v sipmsg.Value) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	d, err := routeTarget(v)
	if err != nil {
		_, _ = h.Write(v.Text)
		return h.Sum64()
	}
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], d.uri.Port)
	_, _ = h.Write(port[:])
	writeLower(&h, d.uri.Host)
	return h.Sum64()
}

func writeLower(h *maphash.Hash, text []byte) {
	for _, b := range text {
		_ = h.WriteByte(lower(b))
	}
}

// answeredBy reports whether a response belongs to the request as its sender
// sent it: dialog, number, the Via values below ours, and the part of the route set
// that the sender will go by first. A next hop may fill in the rest.
func (tx *transaction) answeredBy(m *sipmsg.Message) bool {
	return echoDigest(tx.srv.table.seed, m, 1) == tx.echo.digest && tx.keepsRoutes(m)
}

// keepsRoutes reports whether the Record-Route values of a response end in those
// of the request, with our two before them: what the sender goes by first.
func (tx *transaction) keepsRoutes(m *sipmsg.Message) bool {
	have := m.Values(sipmsg.RecordRoute, nil)
	if len(have) == 0 {
		return true // the next hop keeps nobody in its dialog, or starts none
	}
	own := tx.ownRoutes()
	skip := len(have) - len(tx.echo.routes) - len(own)
	if skip < 0 {
		return false
	}
	for i, face := range own {
		d, err := routeTarget(have[skip+i])
		if err != nil || d.uri.Port != face.Port || !bytes.EqualFold(d.uri.Host, []byte(face.Host.String())) {
			return false
		}
	}
	for i, want := range tx.echo.routes {
		if serverDigest(tx.srv.table.seed, have[skip+len(own)+i]) != want {
			return false
		}
	}
	return true
}

// ownRoutes are our faces in the Record-Route values that we have put on top.
func (tx *transaction) ownRoutes() []*Face {
	if !recordRoutes(tx.method) {
		return nil
	}
	from := tx.from.side
	return []*Face{&tx.st.Faces[from.other()], &tx.st.Faces[from]}
}
