// Package insidedns is the DNS answerer that steers a pool to the edge.
//
// A pool asks it where partners are. It answers two questions itself, the rest
// goes to the forwarders:
//
//	_xmpp-server._tcp.<domain that is not ours>    SRV: TargetName, the inside port
//	_xmpps-server._tcp.<domain that is not ours>   SRV: no data
//	TargetName                                     A, AAAA: the edge's inside addresses
//
// Config.CatchAll adds the addresses of every name that is not ours, for servers
// that do without SRV records or look further than those. Names that are ours,
// and names below ours, are forwarded in any case.
//
// It serves the networks in Config.Clients only. A datagram of anybody else gets
// a refusal of 12 bytes, which is no longer than any question and repeats none of
// it; a connection of anybody else is closed. Questions under way, connections,
// and the size of questions and answers are bounded.
//
// In the order of the files: config.go is what it is told, server.go its life,
// gate.go lets clients in, answer.go finds the answer, judge.go says what a
// question is about, forward.go asks somebody else.
package insidedns
