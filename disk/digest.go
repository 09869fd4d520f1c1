package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"slipway/fault"
)

// BlockSize is the size of a block in bytes, the one of the EBS direct APIs.
const BlockSize = 512 << 10

// MaxBlocks bounds a disk: 64 TiB, the largest EBS volume.
const MaxBlocks = 64 << 40 / BlockSize

const (
	leafSize      = sha256.Size
	digestVersion = 1
	digestPrefix  = "sd1-"
)

// leaf is the SHA-256 of one block. All zero bytes mean "nothing here": not
// uploaded in an upload, a hole in a sealed disk.
type leaf = [leafSize]byte

var (
	zeroBlock [BlockSize]byte
	noLeaf    leaf
)

// ZeroSum is the SHA-256 of a block of zeros.
var ZeroSum = sha256.Sum256(zeroBlock[:])

// Digest names a sealed disk by its content: a SHA-256 over the version of the
// scheme, the size, and index and leaf of every block that is not all zeros.
type Digest [sha256.Size]byte

// String is the text form, "sd1-" and 64 hexadecimal digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

// IsZero tells whether d is unset.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes the text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form; errors as ParseDigest.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := ParseDigest(string(b))
	if err == nil {
		*d = p
	}
	return err
}

// ParseDigest reads the text form exactly as String writes it. Errors: BadValue.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	h, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(h) != hex.EncodedLen(len(d)) || strings.ToLower(h) != h {
		return Digest{}, fault.New(fault.BadValue, "This is not the digest of a sealed disk.")
	}
	if _, err := hex.Decode(d[:], []byte(h)); err != nil {
		return Digest{}, fault.New(fault.BadValue, "This is not the digest of a sealed disk.")
	}
	return d, nil
}

// digester computes a Digest from the non-zero leaves in ascending order. Zero
// blocks are implied by size and the gaps, so the cost follows the data.
type digester struct {
	sum interface {
		Write([]byte) (int, error)
		Sum([]byte) []byte
	}
	rec [8 + leafSize]byte
}

func newDigester(sizeBytes int64) *digester {
	d := &digester{sum: sha256.New()}
	var head [24]byte
	copy(head[:8], "slipdisk")
	binary.BigEndian.PutUint64(head[8:], digestVersion)
	binary.BigEndian.PutUint64(head[16:], uint64(sizeBytes))
	d.sum.Write(head[:])
	return d
}

func (d *digester) add(index int64, l leaf) {
	binary.BigEndian.PutUint64(d.rec[:8], uint64(index))
	copy(d.rec[8:], l[:])
	d.sum.Write(d.rec[:])
}

func (d *digester) digest() (out Digest) {
	d.sum.Sum(out[:0])
	return out
}
