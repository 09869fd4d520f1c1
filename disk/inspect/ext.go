package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"slipway/disk/facts"
)

// This file reads ext2, ext3 and ext4 as far as the questions need it. The
// library that reads FAT here refuses ext4 without metadata checksums (RHEL 7
// and older, anything made by old tools) and dies on inline data. Layout after
// the Linux kernel's Documentation/filesystems/ext4. Every loop is bounded.

const (
	extRoot     = 2    // inode of the root directory
	extMaxNodes = 4096 // of an extent tree
	extMaxDepth = 5    // of an extent tree, by its specification

	extIncompatMetaBG = 0x10
	extIncompat64Bit  = 0x80
	extFlagExtents    = 0x80000
	extFlagInline     = 0x10000000
)

// extFS is one file system.
type extFS struct {
	r              io.ReaderAt // the partition
	block          int64       // bytes
	perGroup       int64       // inodes
	inodes         int64
	inodeSize      int64
	descriptorSize int64
}

func openExt(disk source, p facts.Partition) (linuxFS, error) {
	return newExt(io.NewSectionReader(disk, p.StartBytes, p.SizeBytes))
}

func newExt(r io.ReaderAt) (linuxFS, error) {
	x := &extFS{r: r}
	sb := make([]byte, 1024)
	if _, err := x.r.ReadAt(sb, 1024); err != nil {
		return nil, err
	}
	shift := le.Uint32(sb[24:])
	x.inodes, x.perGroup = int64(le.Uint32(sb)), int64(le.Uint32(sb[40:]))
	x.inodeSize, x.descriptorSize = 128, 32
	if le.Uint32(sb[76:]) > 0 { // revision 1 and later
		x.inodeSize = int64(le.Uint16(sb[88:]))
	}
	incompat := le.Uint32(sb[96:])
	if incompat&extIncompat64Bit != 0 {
		x.descriptorSize = int64(le.Uint16(sb[254:]))
	}
	if shift > 6 || x.perGroup == 0 || x.inodeSize < 128 || x.inodeSize > 1024<<shift || x.descriptorSize < 32 || x.descriptorSize > 1024 {
		return nil, errDamaged
	}
	if incompat&extIncompatMetaBG != 0 {
		return nil, errors.New("it spreads its group descriptors (meta_bg), which is not supported")
	}
	x.block = 1024 << shift
	return tree{x}, nil
}

func (x *extFS) root() int64 { return extRoot }

func (x *extFS) inode(number int64) (*node, error) {
	if number < 1 || number > x.inodes {
		return nil, errDamaged
	}
	group, index := (number-1)/x.perGroup, (number-1)%x.perGroup
	d := make([]byte, x.descriptorSize)
	table0 := (1024/x.block + 1) * x.block // descriptors follow the block of the superblock
	if _, err := x.r.ReadAt(d, table0+group*x.descriptorSize); err != nil {
		return nil, err
	}
	table := int64(le.Uint32(d[8:]))
	if x.descriptorSize >= 64 {
		table |= int64(le.Uint32(d[40:])&0x7FFF) << 32
	}
	b := make([]byte, x.inodeSize)
	if _, err := x.r.ReadAt(b, table*x.block+index*x.inodeSize); err != nil {
		return nil, err
	}
	n := &node{mode: le.Uint16(b), size: int64(le.Uint32(b[4:])), flags: le.Uint32(b[32:]), fork: b[40:100], extra: b[128:]}
	if n.isFile() {
		n.size |= int64(le.Uint32(b[108:])) << 32
	}
	return n, nil
}

// read returns the content of an inode.
func (x *extFS) read(n *node, most int64) ([]byte, error) {
	if n.size < 0 || n.size > most {
		return nil, fmt.Errorf("a file or directory of it has more than %d bytes", most)
	}
	if n.flags&extFlagInline != 0 {
		return x.inline(n)
	}
	if n.isLink() && n.size < 60 {
		return n.fork[:n.size], nil
	}
	out := make([]byte, n.size)
	budget := 2 * (n.size/x.block + 1) // entries that overlap cannot make us read for ever
	put := func(logical, physical, count int64) error {
		if budget -= min(count, n.size/x.block+1); budget < 0 {
			return errDamaged
		}
		for at := logical * x.block; count > 0 && at < n.size; at, physical, count = at+x.block, physical+1, count-1 {
			if _, err := x.r.ReadAt(out[at:min(at+x.block, n.size)], physical*x.block); err != nil {
				return err
			}
		}
		return nil
	}
	if n.flags&extFlagExtents != 0 {
		left := int64(extMaxNodes)
		return out, x.extents(n.fork, extMaxDepth, &left, put)
	}
	return out, x.indirect(n.fork, (n.size+x.block-1)/x.block, put)
}

// inline is content inside the inode: 60 bytes, and more in the extended
// attribute system.data when it is the first one there.
func (x *extFS) inline(n *node) ([]byte, error) {
	if n.size <= 60 {
		return n.fork[:n.size], nil
	}
	out := append([]byte{}, n.fork...)
	if len(n.extra) < 2 || int(le.Uint16(n.extra))+4 > len(n.extra) {
		return nil, errDamaged
	}
	attrs := n.extra[le.Uint16(n.extra):]
	if le.Uint32(attrs) != 0xEA020000 {
		return nil, errDamaged
	}
	attrs = attrs[4:]
	const system = 7
	for e := attrs; len(e) >= 16 && le.Uint32(e) != 0; {
		nameLen := int(e[0])
		if len(e) < 16+nameLen {
			break
		}
		if at, size := int(le.Uint16(e[2:])), int64(le.Uint32(e[8:])); e[1] == system && string(e[16:16+nameLen]) == "data" {
			if size != n.size-60 || int64(at)+size > int64(len(attrs)) {
				return nil, errDamaged
			}
			return append(out, attrs[at:int64(at)+size]...), nil
		}
		next := (16 + nameLen + 3) &^ 3
		if next > len(e) {
			break
		}
		e = e[next:]
	}
	return nil, errDamaged
}

// extents walks an extent tree; left bounds how many nodes it may visit.
func (x *extFS) extents(node []byte, depth int, left *int64, put func(logical, physical, count int64) error) error {
	if *left--; *left < 0 || depth < 0 || le.Uint16(node) != 0xF30A {
		return errDamaged
	}
	entries, level := int(le.Uint16(node[2:])), le.Uint16(node[6:])
	if 12+12*entries > len(node) {
		return errDamaged
	}
	for i := range entries {
		e := node[12+12*i:][:12]
		if level == 0 {
			count := int64(le.Uint16(e[4:]))
			if count > 32768 {
				continue // reserved and not written: zeros
			}
			if err := put(int64(le.Uint32(e)), int64(le.Uint32(e[8:]))|int64(le.Uint16(e[6:]))<<32, count); err != nil {
				return err
			}
			continue
		}
		b := make([]byte, x.block)
		if _, err := x.r.ReadAt(b, (int64(le.Uint32(e[4:]))|int64(le.Uint16(e[8:])&0x7FFF)<<32)*x.block); err != nil {
			return err
		}
		if err := x.extents(b, depth-1, left, put); err != nil {
			return err
		}
	}
	return nil
}

// indirect walks the block map of ext2 and ext3: twelve blocks, then blocks of
// numbers, one to three levels deep.
func (x *extFS) indirect(i []byte, blocks int64, put func(logical, physical, count int64) error) error {
	next := int64(0)
	var walk func(number int64, level int) error
	walk = func(number int64, level int) error {
		span := int64(1)
		for range level {
			span *= x.block / 4
		}
		if next >= blocks {
			return nil
		}
		if number == 0 {
			next += span
			return nil
		}
		if level == 0 {
			next++
			return put(next-1, number, 1)
		}
		b := make([]byte, x.block)
		if _, err := x.r.ReadAt(b, number*x.block); err != nil {
			return err
		}
		for ; len(b) > 0 && next < blocks; b = b[4:] {
			if err := walk(int64(le.Uint32(b)), level-1); err != nil {
				return err
			}
		}
		return nil
	}
	for n := range 15 {
		if err := walk(int64(le.Uint32(i[4*n:])), max(0, n-11)); err != nil {
			return err
		}
	}
	return nil
}

// entries lists a directory. Its index, if it has one, hides in entries that
// look unused, so reading from front to end is right for every kind.
func (x *extFS) entries(n *node) (map[string]int64, error) {
	if !n.isDir() {
		return nil, fs.ErrNotExist
	}
	b, err := x.read(n, maxText)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	chunks := [][]byte{b}
	if n.flags&extFlagInline != 0 { // the number of the parent comes first; the attribute is a chunk of its own
		chunks = [][]byte{b[min(4, len(b)):min(60, len(b))], b[min(60, len(b)):]}
	}
	for _, b := range chunks {
		for len(b) >= 8 {
			number, size, name := int64(le.Uint32(b)), int(le.Uint16(b[4:])), int(b[6])
			if size < 8 || size > len(b) || 8+name > size {
				return nil, errDamaged
			}
			if number != 0 && len(out) < maxEntries {
				out[string(b[8:8+name])] = number
			}
			b = b[size:]
		}
	}
	return out, nil
}
