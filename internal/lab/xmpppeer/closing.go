package xmpppeer

import (
	"errors"
	"time"
)

// goodbye bounds how long the other side has to take the last words.
const goodbye = time.Second

// End sends the stream's end tag and keeps the connection (RFC 6120 §4.4).
func (s *Stream) End() error { return s.Send("</stream:stream>") }

// SendError sends a stream error with the given condition and further XML inside it,
// and the end tag.
func (s *Stream) SendError(condition, inside string) error {
	return s.Send("<stream:error><", condition, " xmlns='", NSStreamErrors, "'/>", inside, "</stream:error></stream:stream>")
}

// Close closes the connection, TLS first. It sends no end tag.
func (s *Stream) Close() error {
	_ = s.raw.SetWriteDeadline(time.Now().Add(goodbye))
	return s.current().Close()
}

// Drop closes TCP without a word, also none of TLS.
func (s *Stream) Drop() error { return s.raw.Close() }

// Reset closes the connection so that the other side gets a TCP reset. What was sent
// and not yet received is lost.
func (s *Stream) Reset() error {
	c, ok := s.raw.(interface{ SetLinger(sec int) error })
	if !ok {
		return errors.New("xmpppeer: the connection knows no SetLinger: TCP and Pipe do")
	}
	if err := c.SetLinger(0); err != nil {
		return err
	}
	return s.raw.Close()
}

// CloseRead shuts the reading half of the TCP connection.
func (s *Stream) CloseRead() error {
	c, ok := s.raw.(interface{ CloseRead() error })
	if !ok {
		return errors.New("xmpppeer: the connection knows no CloseRead: TCP and Pipe do")
	}
	return c.CloseRead()
}

// CloseWrite shuts the writing half of the TCP connection, without a word of TLS.
func (s *Stream) CloseWrite() error {
	c, ok := s.raw.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("xmpppeer: the connection knows no CloseWrite: TCP and Pipe do")
	}
	return c.CloseWrite()
}
