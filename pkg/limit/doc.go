// Package limit bounds what others may take from this edge.
//
//   - Bounds names every bound an operator may move, with its default and range.
//   - Accept counts connections, per address and in all, and holds TLS handshakes
//     to so many that compute at a time.
//   - Held counts the bytes that are held for others, in all and for each partner.
//   - Rates gives each key of a bounded table its own token bucket.
//   - Discovered keeps the budgets of partners that nothing lists, and the list of
//     those to be watched.
//
// What reaches a bound gets an *Error with the bound's name, which is also its
// name in the configuration and in metrics.
package limit
