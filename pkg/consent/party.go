package consent

import (
	"encoding/binary"
	"strings"

	"edged/pkg/domain"
)

// Party is one side of a pair: a canonical bare address. It converts from and to
// policy.User.
type Party struct {
	Local  string // mapped by UsernameCaseMapped; "" is the domain itself
	Domain domain.Name
}

const (
	// maxAddress is the longest bare address: localpart, @, domain (RFC 7622 §3).
	maxAddress = 1023 + 1 + 253
	// keyRoom holds the keys of nearly all pairs; longer ones cost an allocation.
	keyRoom = 256
	// keyPrefix is the length of the local address, in front of both, so that no
	// two pairs have the same key whatever characters they have.
	keyPrefix = 2
)

// appendKey appends the pair's key, in memory as in the file.
func appendKey(b []byte, local, remote Party) []byte {
	b = append(b, 0, 0)
	b = local.append(b)
	binary.BigEndian.PutUint16(b, uint16(len(b)-keyPrefix)) //nolint:gosec // Grant bounds what is stored
	return remote.append(b)
}

func (p Party) append(b []byte) []byte {
	if p.Local != "" {
		b = append(b, p.Local...)
		b = append(b, '@')
	}
	return append(b, p.Domain.String()...)
}

// storable reports whether the party is an address at all.
func (p Party) storable() bool {
	return p.Domain != domain.Name{} && len(p.Local)+1+len(p.Domain.String()) <= maxAddress
}

// splitKey undoes appendKey. It is false for what appendKey never made.
func splitKey(key string) (local, remote string, ok bool) {
	if len(key) < keyPrefix {
		return "", "", false
	}
	n, both := int(key[0])<<8|int(key[1]), key[keyPrefix:]
	if n == 0 || n >= len(both) {
		return "", "", false
	}
	return both[:n], both[n:], true
}

// matches reports whether one of the addresses contains the text.
func matches(key, text string) bool {
	local, remote, _ := splitKey(key)
	return strings.Contains(local, text) || strings.Contains(remote, text)
}
