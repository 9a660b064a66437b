// Package relay holds what edged is measured against: a relay that does nothing
// but cut elements, one that copies bytes, and a server that only reads.
package relay
