package sipfed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestKeyUpdatesUnread: who asks for new keys again and again (RFC 8446 §4.6.3) and
// reads none of the answers is cut off. Nobody keeps them for it.
func TestKeyUpdatesUnread(t *testing.T) {
	b := newBedOver(t, tcpPair, func(_ *policy.Source, l *limit.Bounds) { l.WriteTimeout = time.Second })
	raw, keys := b.keyedPartner(t)
	keys.seal(23, []byte("MESSAGE sip:alice@contoso.com SIP/2.0\r\nX: "))
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	const most = 2 << 20 // of answers, loopback itself takes much less
	for sent := 0; sent < most; {
		for range 16 { // as many as crypto/tls suffers between two bytes of a message
			keys.seal(22, []byte{24, 0, 0, 1, 1})
			keys.next()
		}
		keys.seal(23, []byte("a"))
		n, err := raw.Write(keys.out)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if err != nil {
			return // cut off before it had said so much
		}
		sent, keys.out = sent+n, keys.out[:0]
	}
	if kept, _ := io.Copy(io.Discard, raw); kept > most/2 {
		t.Errorf("%d bytes of answers were kept", kept)
	}
}

// keyedPartner is a partner who has said nothing, and his keys.
func (b *bed) keyedPartner(t *testing.T) (net.Conn, *appKeys) {
	t.Helper()
	near, far := tcpPair()
	t.Cleanup(func() { near.Close() })
	_ = far.(*net.TCPConn).SetWriteBuffer(4 << 10)
	b.outside.conns <- far // itself, not from somewhere: it is to be eager
	secrets := new(bytes.Buffer)
	sock := tls.Client(near, &tls.Config{
		InsecureSkipVerify: true, KeyLogWriter: secrets, MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &b.world.partner.TLS, nil },
	})
	if err := sock.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if suite := sock.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("%s here", tls.CipherSuiteName(suite))
	}
	_, line, _ := strings.Cut(secrets.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	return near, newAppKeys(must(hex.DecodeString(line[65:])))
}

// appKeys seals records as a TLS 1.3 client does that has more to say than crypto/tls
// lets it (RFC 8446 §5.2, §7).
type appKeys struct {
	secret, iv []byte
	aead       cipher.AEAD
	seq        uint64
	out        []byte
}

func newAppKeys(secret []byte) *appKeys {
	k := &appKeys{secret: secret, iv: expandLabel(secret, "iv", 12)}
	k.aead = must(cipher.NewGCM(must(aes.NewCipher(expandLabel(secret, "key", 16)))))
	return k
}

// next goes on with the next generation of keys.
func (k *appKeys) next() {
	out := k.out
	*k = *newAppKeys(expandLabel(k.secret, "traffic upd", 32))
	k.out = out
}

// seal appends a record.
func (k *appKeys) seal(kind byte, content []byte) {
	nonce := bytes.Clone(k.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^k.seq)
	k.seq++
	inner := append(bytes.Clone(content), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+k.aead.Overhead()))
	k.out = k.aead.Seal(append(k.out, head...), nonce, inner, head)
}

func expandLabel(secret []byte, label string, length int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(append(info, byte(len(label))), label...), 0)
	return must(hkdf.Expand(sha256.New, secret, string(info), length))
}
