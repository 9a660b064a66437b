// Package stage sets up the benchmarks: certificates, names, and the programs to
// measure, each with an address of its own in 127.0.3.0/24 and with what it needs
// in one temporary directory.
//
// Outside, a name leads to the partner or to edged; inside, to edged or to the
// pool. So both sides have a DNS server of their own.
package stage
