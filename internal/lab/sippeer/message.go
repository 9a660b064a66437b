package sippeer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// What one message may weigh. A line is bounded by the size of the reader's
// buffer.
const (
	maxLine   = 64 << 10
	maxFields = 512
	maxBody   = 4 << 20
)

// Field is one header row, its name as it was spelt.
type Field struct{ Name, Value string }

// Message is one SIP message, taken apart just far enough for a script to act on.
type Message struct {
	Start  string  // the start line
	Fields []Field // rows in the order of the wire, folding undone
	Body   string
}

// compact are the one-letter names of RFC 3261 §7.3.3 that the lab uses.
func compact(name string) string {
	switch strings.ToLower(name) {
	case "v":
		return "Via"
	case "f":
		return "From"
	case "t":
		return "To"
	case "i":
		return "Call-ID"
	case "m":
		return "Contact"
	case "l":
		return "Content-Length"
	case "c":
		return "Content-Type"
	}
	return name
}

// All returns the values of every row called name, in order.
func (m *Message) All(name string) []string {
	var values []string
	for _, f := range m.Fields {
		if strings.EqualFold(compact(f.Name), name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Get returns the value of the first row called name, or "".
func (m *Message) Get(name string) string {
	if all := m.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Has tells whether there is a row called name.
func (m *Message) Has(name string) bool { return len(m.All(name)) > 0 }

// Status returns the status of a response, or 0 for a request.
func (m *Message) Status() int {
	rest, ok := strings.CutPrefix(m.Start, "SIP/2.0 ")
	if !ok {
		return 0
	}
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return n
}

// Method returns the method of a request, or that of the request a response
// belongs to.
func (m *Message) Method() string {
	if m.Status() == 0 {
		method, _, _ := strings.Cut(m.Start, " ")
		return method
	}
	_, method, _ := strings.Cut(m.Get("CSeq"), " ")
	return strings.TrimSpace(method)
}

// URI returns the Request-URI of a request.
func (m *Message) URI() string {
	_, rest, _ := strings.Cut(m.Start, " ")
	uri, _, _ := strings.Cut(rest, " ")
	return uri
}

// key names the transaction that the message belongs to, on one connection.
func (m *Message) key() string { return m.Get("Call-ID") + " " + m.Get("CSeq") }

// branch returns the branch of the top Via.
func (m *Message) branch() string { return param(m.Get("Via"), "branch") }

// param returns the value of a ;name=value parameter.
func param(value, name string) string {
	for p := range strings.SplitSeq(value, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// String prints the message as it goes on the wire, with a Content-Length unless
// the fields hold one.
func (m *Message) String() string {
	var b strings.Builder
	b.WriteString(m.Start + "\r\n")
	for _, f := range m.Fields {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	if !m.Has("Content-Length") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(m.Body))
	}
	return b.String() + "\r\n" + m.Body
}

// read returns the next message. Empty lines before it are keep-alives: two in a
// row are a ping (RFC 5626 §4.4.1), for which pong is called.
func read(r *bufio.Reader, pong func()) (*Message, error) {
	start, err := readStart(r, pong)
	if err != nil {
		return nil, err
	}
	m := &Message{Start: start}
	if err := m.readFields(r); err != nil {
		return nil, noEOF(err)
	}
	return m, noEOF(m.readBody(r))
}

func readStart(r *bufio.Reader, pong func()) (string, error) {
	for empty := 0; ; empty++ {
		line, err := readLine(r)
		if err != nil || line != "" {
			return line, err
		}
		if empty%2 == 1 {
			pong()
		}
	}
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

func (m *Message) readFields(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		if line == "" {
			return nil
		}
		if err := m.addLine(line); err != nil {
			return err
		}
	}
}

func (m *Message) addLine(line string) error {
	if line[0] == ' ' || line[0] == '\t' {
		if len(m.Fields) == 0 {
			return errors.New("sippeer: folded line without a header before it")
		}
		last := &m.Fields[len(m.Fields)-1]
		last.Value = strings.TrimSpace(last.Value + " " + strings.TrimSpace(line))
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("sippeer: header line without a colon: %.40q", line)
	}
	if len(m.Fields) == maxFields {
		return errors.New("sippeer: too many header rows")
	}
	m.Fields = append(m.Fields, Field{strings.TrimSpace(name), strings.TrimSpace(value)})
	return nil
}

func (m *Message) readBody(r *bufio.Reader) error {
	n, err := strconv.Atoi(m.Get("Content-Length"))
	if err != nil || n < 0 || n > maxBody {
		return fmt.Errorf("sippeer: Content-Length %.20q is no length up to %d", m.Get("Content-Length"), maxBody)
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	m.Body = string(body)
	return err
}

// noEOF keeps a connection that ended inside a message apart from one that ended
// between messages.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
