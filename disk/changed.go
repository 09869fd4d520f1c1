package disk

import (
	"context"
	"crypto/sha256"
	"io"
	"os"

	"slipway/fault"
)

// Change is a block in which two sealed disks differ. A side that is false has
// a hole there and reads as zeros.
type Change struct {
	Index         int64
	First, Second bool
}

// ChangedBlocks lists the blocks in which second differs from first, in order,
// beginning at from, at most max of them. It compares leaves only, so the cost
// follows the data, not the size, and no block is read. Errors: NotFound;
// BadValue (from or max is negative); BadCombination (the sizes differ).
func (s *Store) ChangedBlocks(first, second Digest, from int64, max int) ([]Change, error) {
	const what = "The blocks of two sealed disks could not be compared."
	if from < 0 || max < 0 {
		return nil, fault.New(fault.BadValue, "A list of blocks cannot begin at %d or have %d entries.", from, max)
	}
	a, blocks, err := s.openSealed(first, leavesFile)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	b, others, err := s.openSealed(second, leavesFile)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if blocks != others {
		return nil, fault.New(fault.BadCombination, "A disk of %d blocks cannot be compared with one of %d.", blocks, others)
	}
	if first == second || max == 0 {
		return nil, nil
	}
	x, y := newLeafCursor(a, from, blocks), newLeafCursor(b, from, blocks)
	var out []Change
	for len(out) < max {
		if err := x.load(); err != nil {
			return nil, ioFault(err, what)
		}
		if err := y.load(); err != nil {
			return nil, ioFault(err, what)
		}
		switch {
		case x.at == blocks && y.at == blocks:
			return out, nil
		case x.at < y.at:
			out = append(out, Change{Index: x.at, First: true})
			x.step()
		case y.at < x.at:
			out = append(out, Change{Index: y.at, Second: true})
			y.step()
		default:
			if x.leaf != y.leaf {
				out = append(out, Change{Index: x.at, First: true, Second: true})
			}
			x.step()
			y.step()
		}
	}
	return out, nil
}

// leafCursor walks the leaves of a sealed disk that are not holes. Holes of the
// file cost nothing.
type leafCursor struct {
	f      *os.File
	blocks int64
	at     int64 // index of leaf; blocks at the end
	leaf   leaf
	loaded bool

	buf  []byte
	from int64 // index of the first leaf in buf
}

func newLeafCursor(f *os.File, from, blocks int64) *leafCursor {
	return &leafCursor{f: f, blocks: blocks, at: min(from, blocks)}
}

func (c *leafCursor) step() { c.at, c.loaded = c.at+1, false }

// load finds the first leaf at or after c.at.
func (c *leafCursor) load() error {
	for ; !c.loaded && c.at < c.blocks; c.at++ {
		off := (c.at - c.from) * leafSize
		if off+leafSize > int64(len(c.buf)) {
			if err := c.fill(); err != nil || c.at == c.blocks {
				return err
			}
			off = (c.at - c.from) * leafSize
		}
		if c.leaf = leaf(c.buf[off : off+leafSize]); c.leaf != noLeaf {
			c.loaded = true
			return nil
		}
	}
	return nil
}

// fill reads the next leaves that are there, skipping holes.
func (c *leafCursor) fill() error {
	start, _, ok, err := nextData(c.f, c.at*leafSize, c.blocks*leafSize)
	if err != nil {
		return err
	}
	if !ok {
		c.at = c.blocks
		return nil
	}
	c.at = max(c.at, start/leafSize)
	c.from = c.at
	if c.buf == nil {
		c.buf = make([]byte, 2048*leafSize)
	}
	c.buf = c.buf[:min(int64(cap(c.buf)), (c.blocks-c.at)*leafSize)]
	_, err = io.ReadFull(io.NewSectionReader(c.f, c.at*leafSize, int64(len(c.buf))), c.buf)
	return err
}

// Checksum is the SHA-256 over the SHA-256s of all blocks that arrived for an
// upload, all-zero ones included, in order of index: 32 raw bytes each. Errors:
// NotFound; WrongState once a seal was decided.
func (s *Store) Checksum(ctx context.Context, id string) (sum [32]byte, err error) {
	u, err := s.upload(id)
	if err != nil {
		return sum, err
	}
	u.mu.Lock() // waits for blocks on their way
	defer u.mu.Unlock()
	switch {
	case u.gone.Load():
		return sum, noUpload(id)
	case u.record.Load() != nil:
		return sum, fault.New(fault.WrongState, "The upload %s is complete.", id)
	}
	h := sha256.New()
	err = walkLeaves(ctx, u.leaves, 0, u.blocks, func(_ int64, l leaf) (bool, error) {
		h.Write(l[:])
		return true, nil
	})
	h.Sum(sum[:0])
	return sum, ioFault(err, "The upload could not be read.")
}
