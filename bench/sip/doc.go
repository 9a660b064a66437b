// Package sip puts load on a SIP proxy and checks what becomes of it. A Load is a
// partner that sends MESSAGEs or whole calls (INVITE, ACK, BYE) on connections of
// its own, at full speed or at a fixed rate; a Sink is the pool behind the proxy,
// which answers.
//
// Requests have numbers. A Ledger hands them out and knows which have arrived, so
// that a request that came twice, or one without exactly one final answer, is an
// error of whatever is between both ends.
//
// It is a tool of its own and knows nothing of edged's SIP half. Every message is
// a TLS record and a write of its own, as it is with real peers, who do not wait
// for a second message before they send the first.
package sip
