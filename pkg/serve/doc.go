// Package serve keeps what a server of connections has to end: its goroutines, its
// listeners and its open connections. A Group owns them; the protocol on top decides
// what is said before they end.
//
// A server stops in this order: CloseListeners, so that nothing new comes;
// AwaitGreeted, so that nobody who came is turned away; whatever the protocol owes; End, from which on nothing is entered or begun; a word to All that
// is still open; Cancel, which cuts the rest off; and Wait.
package serve
