package gate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// errOutside: a structure would lie outside of the file. Each format turns it
// into a refusal of its own.
var errOutside = errors.New("outside of the file")

// errBeyond: only the first bytes of the file are known (Sniff) and the answer
// needs others.
var errBeyond = errors.New("beyond the known bytes")

// unbounded is the size of a file whose size nobody knows yet.
const unbounded = 1 << 62

// maxStructure bounds what at reads at once, whatever a file asks for.
const maxStructure = 8 << 20

// input is the file: all reads of this package go through it and stay inside.
type input struct {
	r    io.ReaderAt
	size int64
}

// at reads n bytes at off.
func (f *input) at(off, n int64) ([]byte, error) {
	if n > maxStructure {
		return nil, fmt.Errorf("a structure of %d bytes: %w", n, errOutside)
	}
	if !f.holds(off, n) {
		return nil, errOutside
	}
	b := make([]byte, n)
	return b, f.fill(b, off)
}

// holds tells whether n bytes at off lie inside the file.
func (f *input) holds(off, n int64) bool {
	return off >= 0 && n >= 0 && off <= f.size && n <= f.size-off
}

// fill reads b whole.
func (f *input) fill(b []byte, off int64) error {
	if !f.holds(off, int64(len(b))) {
		return errOutside
	}
	n, err := f.r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("the file ended at %d of %d bytes while it was read: %w", off+int64(n), f.size, io.ErrUnexpectedEOF)
	}
	return err
}

// section is the part of the file as a file.
func (f *input) section(off, n int64) *input {
	if n > f.size-off {
		n = max(0, f.size-off)
	}
	return &input{r: part{f, off}, size: n}
}

type part struct {
	f   *input
	off int64
}

func (p part) ReadAt(b []byte, off int64) (int, error) { return p.f.r.ReadAt(b, p.off+off) }

// NextData passes the holes of the file below on, where it knows them.
func (p part) NextData(off int64) (start, end int64, err error) {
	s, ok := p.f.r.(Sparse)
	if !ok {
		return off, unbounded, nil
	}
	start, end, err = s.NextData(p.off + off)
	return start - p.off, end - p.off, err
}

// prefix is a file of which only the beginning is known.
type prefix []byte

func (p prefix) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(p)) || int64(len(b)) > int64(len(p))-off {
		return 0, errBeyond
	}
	return copy(b, p[off:]), nil
}

// tables reads entries of the tables of an image through a small cache, so
// that memory does not depend on what a file claims.
type tables struct {
	f       *input
	pages   shelf[[]byte]
	bitmaps shelf[[]byte] // of VHD blocks
}

const pageBytes = 16 << 10

// entry reads n (at most 16) bytes at off; off is a multiple of n.
func (t *tables) entry(off, n int64) ([]byte, error) {
	if !t.f.holds(off, n) {
		return nil, errOutside
	}
	page := off / pageBytes * pageBytes
	b, err := t.pages.get(page, func() ([]byte, error) {
		b := make([]byte, min(pageBytes, t.f.size-page))
		return b, t.f.fill(b, page)
	})
	if errors.Is(err, errBeyond) { // the page may end after what is known
		return t.f.at(off, n)
	}
	if err != nil {
		return nil, err
	}
	if off-page+n > int64(len(b)) {
		return t.f.at(off, n)
	}
	return b[off-page:][:n], nil
}

// zeros counts the entries of n bytes at off and behind that are all zeros, at
// most as far as they are at hand and at most most.
func (t *tables) zeros(off, n, most int64) (int64, error) {
	page := off / pageBytes * pageBytes
	var count int64
	for ; count < most && off+n <= page+pageBytes; count++ {
		b, err := t.entry(off, n)
		if err != nil {
			return max(count, 1), err
		}
		if !allZero(b) {
			break
		}
		off += n
	}
	return max(count, 1), nil
}

// allZero tells whether b is all zeros.
func allZero(b []byte) bool {
	for len(b) >= 8 {
		if le.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
