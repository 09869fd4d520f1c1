package domain

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// IDs mints identifiers in AWS's forms from a source of randomness.
type IDs struct{ Rand io.Reader }

// RandomIDs mints from the system's randomness.
var RandomIDs = IDs{Rand: rand.Reader}

func (g IDs) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(g.Rand, b); err != nil {
		// A machine without randomness cannot mint unique names or secrets.
		panic("no randomness: " + err.Error())
	}
	return b
}

func (g IDs) hex(n int) string { return hex.EncodeToString(g.bytes(n)) }

func (g IDs) hex17(prefix string) string { return prefix + hex.EncodeToString(g.bytes(9))[:17] }

// AMI mints an ami-… id; 17 hexadecimal digits satisfy every client's pattern.
func (g IDs) AMI() string { return g.hex17("ami-") }

// Snapshot mints a snap-… id.
func (g IDs) Snapshot() string { return g.hex17("snap-") }

// UUID mints a version 4 UUID (RFC 9562).
func (g IDs) UUID() string {
	b := g.bytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte // by hand, since every request gets one
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// Job mints a job id: short enough to type, safe as a file name.
func (g IDs) Job() string { return "job-" + g.hex(6) }

// Machine mints the name of a machine that lasts: a builder's.
func (g IDs) Machine() string { return "b-" + g.hex(8) }

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (g IDs) letters(prefix string, n int) string {
	var s strings.Builder
	s.WriteString(prefix)
	for _, b := range g.bytes(n) {
		s.WriteByte(base32[b&31])
	}
	return s.String()
}

// AccessKey mints an access key id (AKIA + 16).
func (g IDs) AccessKey() string { return g.letters("AKIA", 16) }

// RoleID mints a role's unique id (AROA + 17).
func (g IDs) RoleID() string { return g.letters("AROA", 17) }

// UserID mints a user's unique id (AIDA + 17).
func (g IDs) UserID() string { return g.letters("AIDA", 17) }

// GroupID mints a group's unique id (AGPA + 17).
func (g IDs) GroupID() string { return g.letters("AGPA", 17) }

// PolicyID mints a managed policy's unique id (ANPA + 17).
func (g IDs) PolicyID() string { return g.letters("ANPA", 17) }

// SessionKey mints the access key id of temporary credentials (ASIA + 16).
func (g IDs) SessionKey() string { return g.letters(SessionKeyPrefix, 16) }

// SessionKeyPrefix tells temporary access keys from lasting ones.
const SessionKeyPrefix = "ASIA"

// SessionToken mints a session token: opaque, unguessable.
func (g IDs) SessionToken() string { return base64.StdEncoding.EncodeToString(g.bytes(96)) }

// AccountID mints a 12-digit account id.
func (g IDs) AccountID() string {
	n := new(big.Int).SetBytes(g.bytes(16))
	return fmt.Sprintf("%012d", n.Mod(n, big.NewInt(1e12)))
}

// Secret mints a 40-character secret access key.
func (g IDs) Secret() string { return g.hex(20) }

// ARN builds an Amazon resource name in the standard partition.
func ARN(service, region, account, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
}

// ImageARN is the ARN of an AppStream image.
func ImageARN(k Key) string {
	if k.Account == PublicAccount {
		return ARN("appstream", k.Region, "", "image/"+k.Name)
	}
	return ARN("appstream", k.Region, k.Account, "image/"+k.Name)
}

// ManagedPolicyID is the unique id of one of AWS's policies: always the same
// for a name.
func ManagedPolicyID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return IDs{Rand: bytes.NewReader(sum[:])}.PolicyID()
}

// Digits mints n decimal digits.
func (g IDs) Digits(n int) string {
	var s strings.Builder
	for s.Len() < n {
		for _, b := range g.bytes(n) {
			if b < 250 && s.Len() < n { // 250 is a multiple of ten: every digit is as likely
				s.WriteByte('0' + b%10)
			}
		}
	}
	return s.String()
}
