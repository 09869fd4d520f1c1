package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"slipway/fault"
)

// openSealed opens one file of a sealed disk and says how many blocks it has.
func (s *Store) openSealed(d Digest, name string) (*os.File, int64, error) {
	f, err := os.Open(s.sealedAt(d, name))
	if errors.Is(err, fs.ErrNotExist) {
		if there, _ := exists(s.sealedAt(d)); !there {
			return nil, 0, noDisk(d)
		}
	}
	if err != nil {
		return nil, 0, ioFault(err, "The sealed disk could not be opened.")
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, ioFault(err, "The sealed disk could not be opened.")
	}
	unit := int64(BlockSize)
	if name == leavesFile {
		unit = leafSize
	}
	return f, st.Size() / unit, nil
}

// ReadBlock reads one block of a sealed disk and its SHA-256. The bytes are
// checked against the leaf: damage is an Internal error with Code
// "disk-damaged", never wrong bytes. Errors: NotFound; BadValue (index).
func (s *Store) ReadBlock(ctx context.Context, d Digest, index int64) (data []byte, sum [32]byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, sum, ioFault(err, "The block could not be read.")
	}
	lf, blocks, err := s.openSealed(d, leavesFile)
	if err != nil {
		return nil, sum, err
	}
	defer lf.Close()
	if index < 0 || index >= blocks {
		return nil, sum, fault.New(fault.BadValue, "The block index %d is outside of a disk of %d blocks.", index, blocks)
	}
	raw, _, err := s.openSealed(d, rawFile)
	if err != nil {
		return nil, sum, err
	}
	defer raw.Close()
	var l leaf
	data = make([]byte, BlockSize)
	if _, err = lf.ReadAt(l[:], index*leafSize); err == nil {
		_, err = raw.ReadAt(data, index*BlockSize)
	}
	if err != nil {
		return nil, sum, damaged(d, index, err)
	}
	if l == noLeaf {
		l = ZeroSum
	}
	if sumOf(data) != l {
		return nil, sum, damaged(d, index, nil)
	}
	return data, l, nil
}

func damaged(d Digest, index int64, err error) error {
	return fault.Wrap(fault.Internal, err, "Block %d of sealed disk %s is damaged.", index, d).
		WithHint("Check the server's disk and import the image again.").WithCode("disk-damaged")
}

// DataBlocks lists the indexes of blocks that are not all zeros, in order,
// beginning at from, at most max of them. The cost follows the data, not the
// size. Errors: NotFound; BadValue (from or max is negative).
func (s *Store) DataBlocks(d Digest, from int64, max int) ([]int64, error) {
	if from < 0 || max < 0 {
		return nil, fault.New(fault.BadValue, "A list of blocks cannot begin at %d or have %d entries.", from, max)
	}
	f, blocks, err := s.openSealed(d, leavesFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []int64
	if max == 0 {
		return out, nil
	}
	err = walkLeaves(context.Background(), f, from, blocks, func(i int64, _ leaf) (bool, error) {
		out = append(out, i)
		return len(out) < max, nil
	})
	return out, ioFault(err, "The blocks of the sealed disk could not be listed.")
}

// Verify reads a whole sealed disk and compares it with its digest. progress
// may be nil and counts bytes of data. Errors: NotFound; Internal with Code
// "disk-damaged".
func (s *Store) Verify(ctx context.Context, d Digest, progress func(done, total int64)) error {
	const what = "The sealed disk could not be verified."
	if progress == nil {
		progress = func(int64, int64) {}
	}
	st, err := s.Stat(d)
	if err != nil {
		return err
	}
	lf, blocks, err := s.openSealed(d, leavesFile)
	if err != nil {
		return err
	}
	defer lf.Close()
	raw, rawBlocks, err := s.openSealed(d, rawFile)
	if err != nil {
		return err
	}
	defer raw.Close()
	if blocks*BlockSize != st.SizeBytes || rawBlocks != blocks {
		return damaged(d, 0, errors.New("a file of the disk has the wrong size"))
	}
	buf := make([]byte, BlockSize)
	sum := newDigester(st.SizeBytes)
	var done, next int64
	err = walkLeaves(ctx, lf, 0, blocks, func(i int64, l leaf) (bool, error) {
		if err := holes(ctx, raw, d, next, i, buf); err != nil {
			return false, err
		}
		if _, err := raw.ReadAt(buf, i*BlockSize); err != nil || sumOf(buf) != l {
			return false, damaged(d, i, err)
		}
		sum.add(i, l)
		next, done = i+1, done+BlockSize
		progress(done, st.DataBytes)
		return true, nil
	})
	if err == nil {
		err = holes(ctx, raw, d, next, blocks, buf)
	}
	if err == nil && (sum.digest() != d || done != st.DataBytes) {
		err = damaged(d, 0, errors.New("the leaves are not those of the digest"))
	}
	return ioFault(err, what)
}

// holes checks that blocks [from, to) are zeros, reading allocated bytes only.
func holes(ctx context.Context, raw *os.File, d Digest, from, to int64, buf []byte) error {
	for off := from * BlockSize; off < to*BlockSize; {
		start, end, ok, err := nextData(raw, off, to*BlockSize)
		if err != nil || !ok || start >= to*BlockSize {
			return err
		}
		for end = min(end, to*BlockSize); start < end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(end-start, BlockSize)
			if _, err := raw.ReadAt(buf[:n], start); err != nil || !isZero(buf[:n]) {
				return damaged(d, start/BlockSize, err)
			}
			start += n
		}
		off = end
	}
	return nil
}
