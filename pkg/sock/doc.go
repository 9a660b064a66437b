// Package sock reads and writes TCP sockets by system calls that Go's scheduler does not
// hear of.
//
// The scheduler has to reckon with every system call taking long: it lends the caller's
// processor to somebody else, and where all processors were idle before, it wakes the
// thread that watches over this, which then looks every few microseconds for a while. On
// a socket that never blocks none of it is needed, and where messages come one by one it
// costs more than the call: SIP took a fifth less processor time without it, at 2,000
// messages a second (docs/performance.md). Waiting is left to the runtime's poller, as
// ever.
//
// What goes with that: while the calls of a Conn are all that a process makes, the watching
// thread may sleep until the next timer, and nobody makes a goroutine stop that has always
// something to do. So a reader that finds something every time tells the scheduler now
// and then.
package sock
