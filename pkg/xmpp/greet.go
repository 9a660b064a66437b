package xmpp

import "crypto/rand"

// greet sends our header, as the receiving entity.
func (c *conn) greet() {
	c.control(string(c.appendHeader(nil)))
	c.mu.Lock()
	c.greeted = true
	c.mu.Unlock()
}

// startOver waits for the next header of an accepted stream that begins anew (RFC
// 6120 §4.3.3). What was read behind the last element is kept or forgotten.
func (c *conn) startOver(keep bool) {
	c.mu.Lock()
	c.greeted = false
	c.mu.Unlock()
	c.reader.Reset(timedReader{c}, keep)
}

// appendOpening appends a header to put a stream error in that comes before the other
// end's header is understood (RFC 6120 §4.9.1.2): it says nothing about anybody.
func appendOpening(dst []byte) []byte {
	dst = append(dst, headerStart...)
	return append(appendAttr(dst, "id", rand.Text()), '>')
}
