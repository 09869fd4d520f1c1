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

const codeDamaged = "disk-damaged"

func damaged(d Digest, index int64, err error) error {
	return fault.Wrap(fault.Internal, err, "Block %d of sealed disk %s is damaged.", index, d).
		WithHint("Check the server's disk and import the image again.").WithCode(codeDamaged)
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
