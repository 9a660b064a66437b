package sippeer

import (
	"slices"
	"strings"
)

// Dialog is what one side needs to send further requests (RFC 3261 §12).
type Dialog struct {
	CallID        string
	Local, Remote string   // From and To values with their tags
	Target        string   // the other side's Contact
	Routes        []string // the route set, one value each
	CSeq          int      // the last number used
}

// DialogOfCaller makes the dialog of whoever sent the request that got this 2xx.
func DialogOfCaller(sent, final *Message) Dialog {
	routes := values(final.All("Record-Route"))
	slices.Reverse(routes) // §12.1.2
	return Dialog{
		CallID: final.Get("Call-ID"),
		Local:  sent.Get("From"), Remote: final.Get("To"),
		Target: address(final.Get("Contact")), Routes: routes, CSeq: 1,
	}
}

// DialogOfCallee makes the dialog of whoever received the request and answered it
// by desk's script.
func (d *Desk) DialogOfCallee(received *Message) Dialog {
	return Dialog{
		CallID: received.Get("Call-ID"),
		Local:  withTag(received.Get("To"), d.tag(received.Get("Call-ID"))),
		Remote: received.Get("From"),
		Target: address(received.Get("Contact")), Routes: values(received.All("Record-Route")),
	}
}

// Next describes the dialog's next request.
func (d *Dialog) Next(method string) Request {
	if method != "ACK" {
		d.CSeq++
	}
	return Request{
		Method: method, URI: d.Target, From: d.Local, To: d.Remote,
		CallID: d.CallID, CSeq: d.CSeq, Routes: d.Routes,
	}
}

// values splits rows at their commas, which never stand inside <> in the routes
// that the lab meets.
func values(rows []string) []string {
	var all []string
	for _, row := range rows {
		for v := range strings.SplitSeq(row, ",") {
			all = append(all, strings.TrimSpace(v))
		}
	}
	return all
}

// address returns the URI of a name-addr or addr-spec.
func address(value string) string {
	_, after, ok := strings.Cut(value, "<")
	if !ok {
		uri, _, _ := strings.Cut(value, ";")
		return strings.TrimSpace(uri)
	}
	uri, _, _ := strings.Cut(after, ">")
	return uri
}
