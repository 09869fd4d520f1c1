package tool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A partition table as UEFI has it (specification 2.10, section 5.3): a header in
// the second block and one in the last, each with a copy of the entries.

var errNoTable = errors.New("the disk has no GUID partition table")

const (
	gptMaxHeader  = 512
	gptMaxEntries = 1 << 20 // bytes
)

// device is a disk that can be written anywhere.
type device interface {
	io.ReaderAt
	io.WriterAt
}

// gpt is a table in memory.
type gpt struct {
	block   int64 // bytes
	header  []byte
	entries []byte
	entry   int64 // bytes
}

// readTable reads the first copy of a table and checks its sums.
func readTable(d io.ReaderAt, block int64) (*gpt, error) {
	le := binary.LittleEndian
	b := make([]byte, block)
	if _, err := d.ReadAt(b, block); err != nil {
		return nil, err
	}
	size := int64(le.Uint32(b[12:]))
	if string(b[:8]) != "EFI PART" || size < 92 || size > min(block, gptMaxHeader) {
		return nil, errNoTable
	}
	t := &gpt{block: block, header: b[:size], entry: int64(le.Uint32(b[84:]))}
	if headerSum(t.header) != le.Uint32(b[16:]) || le.Uint64(b[24:]) != 1 {
		return nil, fmt.Errorf("%w that is whole", errNoTable)
	}
	n := int64(le.Uint32(b[80:])) * t.entry
	at := int64(le.Uint64(b[72:]))
	if t.entry < 128 || t.entry%8 != 0 || n < t.entry || n > gptMaxEntries || at < 2 || at > 1<<20 {
		return nil, fmt.Errorf("%w of a known shape", errNoTable)
	}
	t.entries = make([]byte, n)
	if _, err := d.ReadAt(t.entries, at*block); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(t.entries) != le.Uint32(b[88:]) {
		return nil, fmt.Errorf("%w that is whole", errNoTable)
	}
	return t, nil
}

// headerSum is the checksum of a header, computed with its own place zero.
func headerSum(h []byte) uint32 {
	c := bytes.Clone(h)
	clear(c[16:20])
	return crc32.ChecksumIEEE(c)
}

// growTable makes the partition with a number, counted from 1, reach to the end of
// a disk of size bytes, when it is the last one and there is room worth it. It
// returns where the partition is then, in bytes.
func growTable(d device, size, block int64, number int) (start, length int64, grown bool, err error) {
	t, err := readTable(d, block)
	if err != nil {
		return 0, 0, false, err
	}
	le := binary.LittleEndian
	at := int64(number-1) * t.entry
	if number < 1 || at >= int64(len(t.entries)) {
		return 0, 0, false, fmt.Errorf("the table has no partition %d", number)
	}
	e := t.entries[at : at+t.entry]
	first, last := int64(le.Uint64(e[32:])), int64(le.Uint64(e[40:]))
	for o := int64(0); o < int64(len(t.entries)); o += t.entry {
		x := t.entries[o : o+t.entry]
		if !bytes.Equal(x[:16], make([]byte, 16)) && int64(le.Uint64(x[32:])) > first {
			return 0, 0, false, fmt.Errorf("partition %d is not the last one on the disk", number)
		}
	}
	blocks, tail := size/block, (int64(len(t.entries))+block-1)/block+1 // tail: the table's second copy
	const worth, align = 64 << 20, 1 << 20
	end := (blocks-tail)*block/align*align/block - 1
	if first < 2 || last < first || (end-last)*block < worth {
		return first * block, (last - first + 1) * block, false, nil
	}
	le.PutUint64(e[40:], uint64(end))
	if err := t.write(d, blocks, tail); err != nil {
		return 0, 0, false, err
	}
	return first * block, (end - first + 1) * block, true, nil
}

// write writes both copies, the one at the end first: until the header in front
// is changed, what was there before holds.
func (t *gpt) write(d device, blocks, tail int64) error {
	le := binary.LittleEndian
	sum := crc32.ChecksumIEEE(t.entries)
	front := int64(le.Uint64(t.header[72:]))
	copyOf := func(self, other, entries int64) []byte {
		h := make([]byte, t.block)
		copy(h, t.header)
		le.PutUint64(h[24:], uint64(self))
		le.PutUint64(h[32:], uint64(other))
		le.PutUint64(h[48:], uint64(blocks-tail-1)) // the last block for partitions
		le.PutUint64(h[72:], uint64(entries))
		le.PutUint32(h[88:], sum)
		le.PutUint32(h[16:], headerSum(h[:len(t.header)]))
		return h
	}
	for _, w := range []struct {
		b  []byte
		at int64
	}{
		{t.entries, blocks - tail}, {copyOf(blocks-1, 1, blocks-tail), blocks - 1},
		{t.entries, front}, {copyOf(1, blocks-1, front), 1},
	} {
		if _, err := d.WriteAt(w.b, w.at*t.block); err != nil {
			return err
		}
	}
	return nil
}
