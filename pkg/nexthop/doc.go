// Package nexthop knows which members of a pool of servers to try, and in what
// order.
//
// A Pool is told its members and what came of each attempt to reach them; it
// answers with an order. It opens no connection and reads no clock of its own,
// so the same reports always lead to the same order.
//
// Order is sticky: the same key prefers the same member, on every host that
// runs with the same member names, and a member that comes or goes moves only
// the keys that were or will be its own (rendezvous hashing). A member that
// failed goes to the end of the order for a while that doubles with every
// further failure; it is never left out, because a pool whose members all
// failed is still worth one attempt. A drained member is left out.
package nexthop
