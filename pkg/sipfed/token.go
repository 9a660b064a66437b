package sipfed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"sync"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// routeToken is what the edge needs to know about a dialog when a later request
// of it arrives, perhaps at another host of the same edge pool or after a
// restart. It travels in our Record-Route URIs, sealed; nothing is kept here.
type routeToken struct {
	partner domain.Name // the partner's domain
	local   policy.User // our user
	pool    string      // the pool that serves our user
	member  string      // the pool's member that has the dialog, if known

	tag []byte // the dialog's first From tag: what the seal is bound to; not sealed itself
}

// tokenParam is the URI parameter that carries a sealed token.
const tokenParam = "edged"

var errToken = errors.New("route token does not open")

// tokenBox seals and opens route tokens. The key of a previous secret still
// opens, so that a secret can be changed while dialogs go on.
type tokenBox struct {
	keys []*tokenKey // current first
}

type tokenKey struct {
	macs sync.Pool // of the HMACs that derive nonces
	aead cipher.AEAD
}

func newTokenBox(s Secret) (*tokenBox, error) {
	box := &tokenBox{}
	for _, secret := range [][]byte{s.Current, s.Previous} {
		if len(secret) == 0 {
			continue
		}
		key, err := deriveTokenKey(secret)
		if err != nil {
			return nil, err
		}
		box.keys = append(box.keys, key)
	}
	if len(box.keys) == 0 {
		return nil, errors.New("sipfed: no secret for route tokens")
	}
	return box, nil
}

func deriveTokenKey(secret []byte) (*tokenKey, error) {
	nonce, err := hkdf.Key(sha256.New, secret, nil, "edged sip route token nonce", 32)
	if err != nil {
		return nil, fmt.Errorf("sipfed: derive token key: %w", err)
	}
	seal, err := hkdf.Key(sha256.New, secret, nil, "edged sip route token seal", 32)
	if err != nil {
		return nil, fmt.Errorf("sipfed: derive token key: %w", err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, fmt.Errorf("sipfed: derive token key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	key := &tokenKey{aead: aead}
	key.macs.New = func() any { return hmac.New(sha256.New, nonce) }
	return key, err
}

// appendNonce derives the nonce for a text and what it is bound to.
func (k *tokenKey) appendNonce(dst, bound, plain []byte) []byte {
	mac := k.macs.Get().(hash.Hash) //nolint:forcetypeassert // New makes nothing else
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(bound)
	mac.Write(plain)
	return mac.Sum(dst)[:len(dst)+k.aead.NonceSize()]
}

// seal encrypts a token for the dialog (callID, t.tag). Both sides' URIs carry
// the same plain text but another seal, so one cannot stand for the other.
//
// The nonce is derived from everything sealed: equal input gives an equal
// token, and no nonce is ever used for two texts (the idea of RFC 8452).
func (b *tokenBox) seal(t routeToken, side Side, callID []byte) string {
	key := b.keys[0]
	var bounds, plains [128]byte
	bound, plain := appendBound(bounds[:0], side, callID, t.tag), t.appendPlain(plains[:0])
	sealed := key.appendNonce(make([]byte, 0, 256), bound, plain)
	sealed = key.aead.Seal(sealed, sealed, plain, bound)
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// open decrypts a token. The dialog's first request had one tag, which later
// requests carry in From or in To, according to who sends them: both are tried.
func (b *tokenBox) open(sealed []byte, side Side, callID []byte, tags ...[]byte) (routeToken, error) {
	raw := make([]byte, base64.RawURLEncoding.DecodedLen(len(sealed)))
	if _, err := base64.RawURLEncoding.Strict().Decode(raw, sealed); err != nil {
		return routeToken{}, errToken
	}
	var bounds [128]byte
	for _, key := range b.keys {
		n := key.aead.NonceSize()
		if len(raw) < n {
			return routeToken{}, errToken
		}
		for _, tag := range tags {
			plain, err := key.aead.Open(nil, raw[:n], raw[n:], appendBound(bounds[:0], side, callID, tag))
			if err != nil {
				continue
			}
			t, err := unmarshalToken(plain)
			t.tag = tag
			return t, err
		}
	}
	return routeToken{}, errToken
}

// appendBound appends what a seal is bound to.
func appendBound(dst []byte, side Side, callID, tag []byte) []byte {
	dst = append(dst, byte(side))
	dst = append(dst, callID...)
	dst = append(dst, 0) // Call-ID holds no NUL
	return append(dst, tag...)
}

func (t routeToken) appendPlain(dst []byte) []byte {
	for i, part := range [...]string{t.partner.String(), t.local.Local, t.local.Domain.String(), t.pool, t.member} {
		if i > 0 {
			dst = append(dst, 0)
		}
		dst = append(dst, part...)
	}
	return dst
}

func unmarshalToken(plain []byte) (routeToken, error) {
	parts := bytes.Split(plain, []byte{0})
	if len(parts) != 5 {
		return routeToken{}, errToken
	}
	partner, err := domain.ParseWire(string(parts[0]))
	if err != nil {
		return routeToken{}, errToken
	}
	ours, err := domain.ParseWire(string(parts[2]))
	if err != nil {
		return routeToken{}, errToken
	}
	return routeToken{
		partner: partner,
		local:   policy.User{Local: string(parts[1]), Domain: ours},
		pool:    string(parts[3]),
		member:  string(parts[4]),
	}, nil
}
