// Package trace lets people watch what crosses the gateway while it does: one Event for
// each message, and for what became of it. The last refusals are kept, also while
// nobody watches.
//
// Bodies are no part of an Event. What comes from a message is made safe by whoever
// makes the Event (verdict.Quotable).
//
// Nothing waits for a watcher: who reads too slowly loses events and is told how many.
// While nobody watches, a message that crosses costs one atomic load, Tap.On; events are
// made only behind it.
package trace
