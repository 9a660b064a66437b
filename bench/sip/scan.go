package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
)

// maxMessage is the longest message that is read.
const maxMessage = 64 << 10

// scanner cuts what a connection brings into messages by their Content-Length.
type scanner struct {
	r        io.Reader
	pong     func() error // answers a ping (RFC 5626 §4.4.1)
	buf      []byte
	from, to int // what is in buf and was not returned yet
}

func newScanner(r io.Reader, pong func() error) *scanner {
	return &scanner{r: r, pong: pong, buf: make([]byte, maxMessage)}
}

// next returns a message, which is good until the next call.
func (s *scanner) next() ([]byte, error) {
	for {
		if err := s.skipPings(); err != nil {
			return nil, err
		}
		n, err := length(s.buf[s.from:s.to])
		if err != nil {
			return nil, err
		}
		if n > 0 && n <= s.to-s.from {
			m := s.buf[s.from : s.from+n]
			s.from += n
			return m, nil
		}
		if err := s.more(); err != nil {
			return nil, err
		}
	}
}

// more reads, after it has made room.
func (s *scanner) more() error {
	if s.from > 0 {
		s.from, s.to = 0, copy(s.buf, s.buf[s.from:s.to])
	}
	if s.to == len(s.buf) {
		return fmt.Errorf("a message longer than %d bytes", maxMessage)
	}
	n, err := s.r.Read(s.buf[s.to:])
	s.to += n
	if n > 0 {
		return nil
	}
	return err
}

// skipPings answers the pings ahead of a message; a pong is a lone CRLF.
func (s *scanner) skipPings() error {
	for {
		b := s.buf[s.from:s.to]
		switch {
		case bytes.HasPrefix(b, []byte("\r\n\r\n")):
			s.from += 4
			if err := s.pong(); err != nil {
				return err
			}
		case len(b) > 2 && bytes.HasPrefix(b, []byte("\r\n")) && b[2] != '\r':
			s.from += 2
		default:
			return nil
		}
	}
}

// length is that of the message at the beginning of b, 0 if its header section is
// not all there.
func length(b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end <= 0 {
		return 0, nil
	}
	text := value(b[:end+2], "\r\nContent-Length: ")
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("no length in %.300q", b)
	}
	return end + 4 + n, nil
}

// value is the rest of the line after the first place of key, which begins with
// the end of the line before it. Both ends and both proxies spell names as the
// RFC does.
func value(m []byte, key string) []byte {
	_, rest, found := bytes.Cut(m, []byte(key))
	text, _, ended := bytes.Cut(rest, []byte("\r"))
	if !found || !ended {
		return nil
	}
	return text
}

// lines are those of the header section after the first, with their ends.
func lines(m []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := bytes.IndexByte(m, '\n') + 1
		for {
			n := bytes.IndexByte(m[i:], '\n') + 1
			if n <= 2 || !yield(m[i:i+n]) {
				return
			}
			i += n
		}
	}
}

// number of the request that a message is or answers: its Call-ID begins with it.
func number(m []byte) (uint32, error) {
	id := value(m, "\r\nCall-ID: ")
	if len(id) < digits {
		return 0, fmt.Errorf("no Call-ID in %.300q", m)
	}
	n, err := strconv.ParseUint(string(id[:digits]), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("a foreign Call-ID: %w", err)
	}
	return uint32(n), nil
}

// method of a request, or of the request that a response answers.
func method(m []byte) []byte {
	_, name, _ := bytes.Cut(value(m, "\r\nCSeq: "), []byte(" "))
	return name
}

// status of a response.
func status(m []byte) (int, error) {
	rest, ok := bytes.CutPrefix(m, []byte("SIP/2.0 "))
	if !ok || len(rest) < 3 {
		return 0, errors.New("a request instead of a response")
	}
	return strconv.Atoi(string(rest[:3]))
}
