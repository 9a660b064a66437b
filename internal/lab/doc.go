// Package lab is an embedded federation: the product's first minute and the
// tests' bed.
//
// It starts on loopback, in one process and without root, DNS or network:
// a test authority, a DNS server with the zones of an invented world, partners
// and pools (scripted endpoints of package sippeer and small servers of package
// xmpppeer, which share no code with the edge), and between them the real edge,
// configured by real files in a temporary folder and started as `edged serve` starts it.
//
//	cast.go      who takes part: the players, their names and certificates
//	world.go     Start: players, zones, files, edge; players.go and zones.go start theirs
//	files.go     what is written for the edge; files/*.yaml are the templates
//	capture.go   the edge's log: reason and rule of each verdict
//	stage.go     how a scenario is played, and what came of it
//	judge.go     what came of it against what the lab expects
//	scenario.go  what a scenario is, and the words that its tables are written in
//	acts.go      the scenarios about who may talk with whom; acts_wire.go those about
//	             what goes wrong; plays.go how some are played; edits.go what they change
//	xmpp_*.go    the same for XMPP: the cast, its start, exchanges and their words, how
//	             they are played by servers and on streams by hand, the exchanges
//	print.go     one line for each
//	run.go       Run: play everything, print, stay up
//
// A test that needs a world of its own calls Start and then uses Dial, Peer,
// Set and AwaitLog; lab_test.go shows how.
//
// Nothing in it is a mock of edged: a verdict shown is the one that the edge
// logged, and the answer shown is the one that a peer received.
package lab
