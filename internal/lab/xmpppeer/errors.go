package xmpppeer

import (
	"errors"
	"fmt"
)

// ErrEnd is what reading returns at the stream's end tag, as io.EOF is at the end
// of the connection.
var ErrEnd = errors.New("xmpppeer: the other side ended the stream")

// ErrTooBig is what reading returns when an element is longer than the limit.
var ErrTooBig = errors.New("xmpppeer: the element is longer than the limit")

// SyntaxError is what reading returns for what is no well-formed XML, or is XML that RFC
// 6120 §11 keeps out of streams.
type SyntaxError struct {
	Raw string // what was read, or its beginning
	Why string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("xmpppeer: %s: %q", e.Why, e.Raw) }

func syntax(raw, format string, args ...any) error {
	return &SyntaxError{Raw: raw[:min(len(raw), 200)], Why: fmt.Sprintf(format, args...)}
}

// StreamError is a stream error that the other side sent (RFC 6120 §4.9).
type StreamError struct {
	Condition string   // e.g. "host-unknown"
	Text      string   // "" if there was none
	Element   *Element // as it came
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("xmpppeer: stream error %s %q", e.Condition, e.Text)
}

// SASLError is the other side's refusal of EXTERNAL (RFC 6120 §6.5).
type SASLError struct {
	Condition string // e.g. "not-authorized"
	Text      string
}

func (e *SASLError) Error() string {
	return fmt.Sprintf("xmpppeer: EXTERNAL failed: %s %q", e.Condition, e.Text)
}

// DialbackError is an answer to a dialback request that is not "valid".
type DialbackError struct {
	Type      string // "invalid" or "error"
	Condition string // of an error
}

func (e *DialbackError) Error() string {
	return fmt.Sprintf("xmpppeer: dialback %s %s", e.Type, e.Condition)
}

// UnexpectedError is another element than the one that was waited for.
type UnexpectedError struct {
	Want string
	Got  *Element
}

func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("xmpppeer: want <%s>, got %s", e.Want, e.Got.Raw)
}

// asStreamError returns e as an error if it is a stream error, else nil.
func asStreamError(e *Element) *StreamError {
	if !e.Is("error", NSStreams) {
		return nil
	}
	return &StreamError{Condition: condition(e, NSStreamErrors), Text: textOf(e, NSStreamErrors), Element: e}
}

// textOf returns the explanation in an error element.
func textOf(e *Element, space string) string {
	if t := e.Child("text", space); t != nil {
		return t.Text
	}
	return ""
}
