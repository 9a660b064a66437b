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
	aead  cipher.AEAD
	desks sync.Pool // of *desk
}

// desk is what sealing or opening one token needs: room, and the HMAC that derives nonces.
type desk struct {
	mac                        hash.Hash
	bound, plain, sealed, text []byte
}

// tokenText is how a token is written, in one way only.
var tokenText = base64.RawURLEncoding.Strict()

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
	key.desks.New = func() any { return &desk{mac: hmac.New(sha256.New, nonce)} }
	return key, err
}

// desk takes one; whoever takes it puts it back.
func (k *tokenKey) desk() *desk { return k.desks.Get().(*desk) } //nolint:forcetypeassert // New makes nothing else

// appendNonce derives the nonce, of so many bytes, for a text and what it is bound to.
func (d *desk) appendNonce(dst []byte, size int) []byte {
	d.mac.Reset()
	d.mac.Write(d.bound)
	d.mac.Write(d.plain)
	return d.mac.Sum(dst)[:len(dst)+size]
}

// seal encrypts a token for the dialog (callID, t.tag). Both sides' URIs carry
// the same plain text but another seal, so one cannot stand for the other.
//
// The nonce is derived from everything sealed: equal input gives an equal
// token, and no nonce is ever used for two texts (the idea of RFC 8452).
func (b *tokenBox) seal(t routeToken, side Side, callID []byte) string {
	key := b.keys[0]
	d := key.desk()
	defer key.desks.Put(d)
	d.bound, d.plain = appendBound(d.bound[:0], side, callID, t.tag), t.appendPlain(d.plain[:0])
	nonce := d.appendNonce(d.sealed[:0], key.aead.NonceSize())
	d.sealed = key.aead.Seal(nonce, nonce, d.plain, d.bound)
	d.text = tokenText.AppendEncode(d.text[:0], d.sealed)
	return string(d.text)
}

// open decrypts a token. The dialog's first request had one tag, which later
// requests carry in From or in To, according to who sends them: both are tried.
func (b *tokenBox) open(sealed []byte, side Side, callID []byte, tags ...[]byte) (routeToken, error) {
	for _, key := range b.keys {
		if t, ok := key.open(sealed, side, callID, tags); ok {
			return t, nil
		}
	}
	return routeToken{}, errToken
}

func (k *tokenKey) open(sealed []byte, side Side, callID []byte, tags [][]byte) (t routeToken, ok bool) {
	d := k.desk()
	defer k.desks.Put(d)
	var err error
	if d.sealed, err = tokenText.AppendDecode(d.sealed[:0], sealed); err != nil || len(d.sealed) < k.aead.NonceSize() {
		return t, false
	}
	nonce, text := d.sealed[:k.aead.NonceSize()], d.sealed[k.aead.NonceSize():]
	for _, tag := range tags {
		d.bound = appendBound(d.bound[:0], side, callID, tag)
		if plain, err := k.aead.Open(d.plain[:0], nonce, text, d.bound); err == nil {
			t, err = unmarshalToken(plain)
			d.plain, t.tag = plain, tag
			return t, err == nil
		}
	}
	return t, false
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

func unmarshalToken(plain []byte) (t routeToken, err error) {
	var parts [5][]byte
	more := true
	for i := range parts {
		if !more {
			return t, errToken
		}
		parts[i], plain, more = bytes.Cut(plain, []byte{0})
	}
	if more {
		return t, errToken
	}
	t.local.Local, t.pool, t.member = string(parts[1]), string(parts[3]), string(parts[4])
	if t.partner, err = domain.ParseWire(string(parts[0])); err == nil {
		t.local.Domain, err = domain.ParseWire(string(parts[2]))
	}
	return t, err
}
