// Package regf reads Windows registry hives (the "regf" format, versions 1.3
// to 1.6) from anything that can be read at an offset. Only what a question
// needs is read. Every count, depth and size is bounded, and one budget bounds
// all work on a hive, so a hive that was made to mislead ends in an error.
//
// The transaction logs beside a hive are not applied: Unclean tells that they
// hold changes. Nothing here knows what keys mean (disk/inspect).
package regf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// Types of values.
const (
	SZ       = 1
	ExpandSZ = 2
	Binary   = 3
	DWord    = 4
	MultiSZ  = 7
	QWord    = 11
)

const (
	binsAt     = 4096 // where cells begin; their offsets count from there
	noCell     = 0xFFFFFFFF
	maxBudget  = 200_000 // cells read from one hive
	maxList    = 65_536  // subkeys or values of one key
	maxData    = 1 << 20 // bytes of one value
	maxSegment = 16_344  // bytes of a piece of a large value
	maxNested  = 2       // lists of lists
	maxKeyName = 512     // bytes
)

// ErrDamaged is behind every error about the hive's structure.
var ErrDamaged = errors.New("its structure is damaged")

var le = binary.LittleEndian

// Hive is an open hive. It is not safe for concurrent use.
type Hive struct {
	r       io.ReaderAt
	root    uint32
	unclean bool
	budget  int
}

// Open reads the base block of a hive.
func Open(r io.ReaderAt) (*Hive, error) {
	b := make([]byte, 48)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(b[:4]) != "regf" {
		return nil, fmt.Errorf("%w: it does not begin as a registry hive", ErrDamaged)
	}
	return &Hive{r: r, root: le.Uint32(b[36:]), unclean: le.Uint32(b[4:]) != le.Uint32(b[8:]), budget: maxBudget}, nil
}

// Unclean tells that the hive was not written out: its newest changes are in a
// log beside it.
func (h *Hive) Unclean() bool { return h.unclean }

// Key is a registry key.
type Key struct {
	h         *Hive
	Name      string
	subs      uint32 // how many
	list      uint32
	values    uint32 // how many
	valueList uint32
}

// Value is a registry value; long ones are cut at a mebibyte.
type Value struct {
	Name string
	Type uint32
	Data []byte
}

// cell reads up to len(b) bytes of a cell and at least need.
func (h *Hive) cell(at uint32, b []byte, need int) ([]byte, error) {
	if h.budget--; h.budget < 0 {
		return nil, fmt.Errorf("%w: it has too many keys or they loop", ErrDamaged)
	}
	if at == noCell || at > 1<<31 {
		return nil, ErrDamaged
	}
	var size [4]byte
	if _, err := h.r.ReadAt(size[:], binsAt+int64(at)); err != nil {
		return nil, damaged(err)
	}
	n := -int64(int32(le.Uint32(size[:]))) - 4 // negative: the cell is in use
	if n < int64(need) {
		return nil, ErrDamaged
	}
	b = b[:min(int64(len(b)), n)]
	if got, err := h.r.ReadAt(b, binsAt+int64(at)+4); got < need {
		return nil, damaged(err)
	}
	return b, nil
}

func damaged(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return err
}

// Root is the key at the top.
func (h *Hive) Root() (*Key, error) { return h.key(h.root) }

func (h *Hive) key(at uint32) (*Key, error) {
	var buf [76 + maxKeyName]byte
	b, err := h.cell(at, buf[:], 76)
	if err != nil {
		return nil, err
	}
	n := int(le.Uint16(b[72:]))
	if string(b[:2]) != "nk" || n > len(b)-76 {
		return nil, ErrDamaged
	}
	k := &Key{h: h, subs: le.Uint32(b[20:]), list: le.Uint32(b[28:]), values: le.Uint32(b[36:]), valueList: le.Uint32(b[40:])}
	k.Name = name(b[76:76+n], le.Uint16(b[2:])&0x20 != 0)
	return k, nil
}

// name decodes a name: Latin-1 when compressed, otherwise UTF-16.
func name(b []byte, compressed bool) string {
	if !compressed {
		return wide(b)
	}
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func wide(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// Key finds a key by its path below the root, in any case; nil when it is not
// there.
func (h *Hive) Key(path string) (*Key, error) {
	k, err := h.Root()
	if err != nil {
		return nil, err
	}
	return k.Key(path)
}

// Key finds a key by its path below k; nil when it is not there.
func (k *Key) Key(path string) (*Key, error) {
	for step := range strings.SplitSeq(path, `\`) {
		var found *Key
		upper := strings.ToUpper(step)
		err := k.walk(hash(upper), func(s *Key) bool {
			if strings.EqualFold(s.Name, step) {
				found = s
			}
			return found == nil
		})
		if err != nil || found == nil {
			return nil, err
		}
		k = found
	}
	return k, nil
}

// Subkeys lists the keys below k, without order.
func (k *Key) Subkeys() (out []*Key, err error) {
	err = k.walk(0, func(s *Key) bool { out = append(out, s); return true })
	return out, err
}

// hash is what "lh" lists carry of a name; 0 means unknown.
func hash(upper string) uint32 {
	n := uint32(0)
	for _, c := range upper {
		if c > 127 {
			return 0 // folding differs from Windows'
		}
		n = n*37 + uint32(c)
	}
	return n
}

// walk visits subkeys until f says no; with a hash only those that can have it.
func (k *Key) walk(hash uint32, f func(*Key) bool) error {
	if k.subs == 0 {
		return nil
	}
	_, err := k.h.list(k.list, hash, maxNested, f)
	return err
}

func (h *Hive) list(at, hash uint32, nested int, f func(*Key) bool) (more bool, err error) {
	head, err := h.cell(at, make([]byte, 4), 4)
	if err != nil {
		return false, err
	}
	n, width := int(le.Uint16(head[2:])), 8
	kind := string(head[:2])
	if kind == "li" || kind == "ri" {
		width = 4
	} else if kind != "lf" && kind != "lh" {
		return false, ErrDamaged
	}
	b, err := h.cell(at, make([]byte, 4+n*width), 4+n*width)
	if err != nil {
		return false, err
	}
	for i := range n {
		e := b[4+i*width:]
		if kind == "ri" {
			if nested == 0 {
				return false, fmt.Errorf("%w: its lists nest too deep", ErrDamaged)
			}
			if more, err := h.list(le.Uint32(e), hash, nested-1, f); err != nil || !more {
				return false, err
			}
			continue
		}
		if kind == "lh" && hash != 0 && le.Uint32(e[4:]) != hash {
			continue
		}
		k, err := h.key(le.Uint32(e))
		if err != nil {
			return false, err
		}
		if !f(k) {
			return false, nil
		}
	}
	return true, nil
}
