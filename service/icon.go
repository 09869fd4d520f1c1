package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"

	"slipway/fault"
)

// Icons makes and checks the addresses that icons of applications have: a token
// that names the picture by its digest, expires, and nobody else can make.
type Icons struct {
	Key  []byte // secret of this server
	Base string // origin and path in front of the token
	Now  func() time.Time
}

// IconLife is how long an icon's address works at least; an address stays the
// same for as long, so that clients can cache.
const IconLife = time.Hour

const (
	iconDigest = sha256.Size
	iconMAC    = 16
)

// Period tells times at which addresses are made anew from one another.
func (i *Icons) Period() int64 {
	if i == nil {
		return 0
	}
	return i.Now().Truncate(IconLife).Unix()
}

// URL is the address of a picture; "" without a digest or a key.
func (i *Icons) URL(digest string) string {
	d, err := hex.DecodeString(digest)
	if i == nil || err != nil || len(d) != iconDigest || len(i.Key) == 0 {
		return ""
	}
	until := i.Now().Truncate(IconLife).Add(2 * IconLife).Unix()
	token := binary.BigEndian.AppendUint64(d, uint64(until))
	return i.Base + base64.RawURLEncoding.EncodeToString(append(token, i.mac(token)...))
}

// Digest is what a token names. Errors: Denied for one that is not ours or has
// expired.
func (i *Icons) Digest(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != iconDigest+8+iconMAC || !hmac.Equal(i.mac(b[:iconDigest+8]), b[iconDigest+8:]) {
		return "", fault.New(fault.Denied, "This is not the address of an icon.")
	}
	if int64(binary.BigEndian.Uint64(b[iconDigest:])) < i.Now().Unix() {
		return "", fault.New(fault.Denied, "The address of the icon has expired.").WithHint("Ask for the image again (DescribeImages).")
	}
	return hex.EncodeToString(b[:iconDigest]), nil
}

func (i *Icons) mac(b []byte) []byte {
	m := hmac.New(sha256.New, i.Key)
	m.Write([]byte("slipway icon "))
	m.Write(b)
	return m.Sum(nil)[:iconMAC]
}
