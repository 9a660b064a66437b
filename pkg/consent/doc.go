// Package consent remembers who wrote to whom first.
//
// A contact of a public_unverified XMPP partner is heard by a local user only
// after that user wrote to the contact. A Book holds such pairs of bare
// addresses: in memory, where the question is asked for every stanza, and in the
// state file, so that they outlast a restart. The file follows within 100 ms,
// without anybody waiting for the disk; while it cannot be written the Book goes
// on from memory and tries again.
//
// The number of pairs is bounded. At the bound the pair that was granted or used
// longest ago makes room.
package consent
