package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"slipway/disk/facts"
)

// This file reads XFS, versions 4 and 5, as far as the questions need it: the
// default of RHEL, Rocky and Amazon Linux. Layout after "XFS Algorithms & Data
// Structures" (kernel.org). Every loop is bounded.

const (
	xfsLocal   = 1 // formats of a data fork
	xfsExtents = 2
	xfsBtree   = 3

	xfsMaxNodes = 4096 // of an extent tree
	xfsMaxDepth = 8
)

var be = binary.BigEndian

// xfsFS is one file system.
type xfsFS struct {
	r                  io.ReaderAt
	block              int64 // bytes
	dirBlock           int64 // bytes
	agBlocks           int64
	agBlockLog         uint
	inodeSize          int64
	inodesPerBlockLog  uint
	rootInode          int64
	v5, typesInEntries bool
}

func openXFS(disk source, p facts.Partition) (linuxFS, error) {
	return newXFS(io.NewSectionReader(disk, p.StartBytes, p.SizeBytes))
}

func newXFS(r io.ReaderAt) (linuxFS, error) {
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, 0); err != nil {
		return nil, err
	}
	x := &xfsFS{r: r, block: int64(be.Uint32(b[4:])), rootInode: int64(be.Uint64(b[56:])), agBlocks: int64(be.Uint32(b[84:])),
		inodeSize: int64(be.Uint16(b[104:])), inodesPerBlockLog: uint(b[123]), agBlockLog: uint(b[124])}
	version, dirLog := be.Uint16(b[100:])&15, uint(b[192])
	x.v5 = version == 5
	x.typesInEntries = x.v5 && be.Uint32(b[216:])&1 != 0 || version == 4 && be.Uint32(b[200:])&0x200 != 0
	if x.block < 512 || x.block > 64<<10 || x.block&(x.block-1) != 0 || x.inodeSize < 256 || x.inodeSize > 2048 ||
		x.agBlocks == 0 || x.agBlockLog > 31 || x.inodesPerBlockLog > 8 || dirLog > 7 || x.block<<dirLog > 64<<10 || version < 4 || version > 5 {
		return nil, errDamaged
	}
	x.dirBlock = x.block << dirLog
	return tree{x}, nil
}

func (x *xfsFS) root() int64 { return x.rootInode }

// at is the offset in bytes of a file system block.
func (x *xfsFS) at(block uint64) int64 {
	ag, in := int64(block>>x.agBlockLog)&(1<<32-1), int64(block&(1<<x.agBlockLog-1))
	return (ag*x.agBlocks + in) % (1 << 46) * x.block // the bound keeps it positive; the read finds the end of the disk
}

func (x *xfsFS) inode(number int64) (*node, error) {
	if number <= 0 {
		return nil, errDamaged
	}
	b := make([]byte, x.inodeSize)
	in := number & (1<<x.inodesPerBlockLog - 1)
	if _, err := x.r.ReadAt(b, x.at(uint64(number)>>x.inodesPerBlockLog)+in*x.inodeSize); err != nil {
		return nil, err
	}
	if string(b[:2]) != "IN" {
		return nil, errDamaged
	}
	start := 100
	if b[4] >= 3 {
		start = 176
	}
	n := &node{mode: be.Uint16(b[2:]), format: b[5], size: int64(be.Uint64(b[56:])), flags: be.Uint32(b[76:]), fork: b[start:]}
	if b[4] >= 3 && be.Uint64(b[120:])&0x10 != 0 { // large extent counters
		n.flags = uint32(min(be.Uint64(b[24:]), 1<<31))
	}
	if end := int(b[82]) * 8; end > 0 && end <= len(n.fork) { // attributes follow
		n.fork = n.fork[:end]
	}
	return n, nil
}

// read returns the content of a file, a link or a directory.
func (x *xfsFS) read(n *node, most int64) ([]byte, error) {
	if n.size < 0 || n.size > most {
		return nil, fmt.Errorf("a file or directory of it has more than %d bytes", most)
	}
	if n.format == xfsLocal {
		if n.size > int64(len(n.fork)) {
			return nil, errDamaged
		}
		return n.fork[:n.size], nil
	}
	out := make([]byte, n.size)
	budget := 2 * (n.size/x.block + 1) // extents that overlap cannot make us read for ever
	extent := func(rec []byte) error {
		hi, lo := be.Uint64(rec), be.Uint64(rec[8:])
		if hi>>63 != 0 {
			return nil // reserved and not written: zeros
		}
		at, count := int64(hi&(1<<63-1)>>9)*x.block, int64(lo&(1<<21-1))
		if at < 0 || at >= n.size {
			return nil // behind the end; of directories, their index
		}
		end := min(at+count*x.block, n.size)
		if budget -= (end - at) / x.block; budget < 0 {
			return errDamaged
		}
		_, err := x.r.ReadAt(out[at:end], x.at(hi&0x1FF<<43|lo>>21))
		return err
	}
	var err error
	switch n.format {
	case xfsExtents:
		if int64(n.flags)*16 > int64(len(n.fork)) {
			return nil, errDamaged
		}
		for i := range int(n.flags) {
			if err = extent(n.fork[16*i:]); err != nil {
				return nil, err
			}
		}
	case xfsBtree:
		left := xfsMaxNodes
		err = x.btree(n.fork, 4, be.Uint16(n.fork), be.Uint16(n.fork[2:]), xfsMaxDepth, &left, extent)
	default:
		return nil, errDamaged
	}
	if n.isLink() && x.v5 && len(out) > 0 {
		return nil, errors.New("it has symbolic links that are too long")
	}
	return out, err
}

// btree walks one node of an extent tree: header bytes, then keys and pointers
// or, at level 0, records.
func (x *xfsFS) btree(b []byte, header int, level, count uint16, depth int, left *int, extent func([]byte) error) error {
	room := (len(b) - header) / 16
	if *left--; *left < 0 || depth < 0 || int(count) > room {
		return errDamaged
	}
	for i := range int(count) {
		if level == 0 {
			if err := extent(b[header+16*i:]); err != nil {
				return err
			}
			continue
		}
		child := make([]byte, x.block)
		if _, err := x.r.ReadAt(child, x.at(be.Uint64(b[header+8*room+8*i:]))); err != nil {
			return err
		}
		h := 24
		switch string(child[:4]) {
		case "BMAP":
		case "BMA3":
			h = 72
		default:
			return errDamaged
		}
		if below := be.Uint16(child[4:]); below >= level {
			return errDamaged
		} else if err := x.btree(child, h, below, be.Uint16(child[6:]), depth-1, left, extent); err != nil {
			return err
		}
	}
	return nil
}

func (x *xfsFS) entries(n *node) (map[string]int64, error) {
	if !n.isDir() {
		return nil, fs.ErrNotExist
	}
	b, err := x.read(n, maxText)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	if n.format == xfsLocal {
		return out, x.shortDir(b, out)
	}
	for ; int64(len(b)) >= x.dirBlock; b = b[x.dirBlock:] {
		if err := x.dirData(b[:x.dirBlock], out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shortDir reads a directory that fits its inode.
func (x *xfsFS) shortDir(b []byte, out map[string]int64) error {
	if len(b) < 6 {
		return errDamaged
	}
	count, wide := int(b[0]), 4
	if b[1] > 0 {
		count, wide = int(b[1]), 8
	}
	count = max(count, int(b[0]))
	types := 0
	if x.typesInEntries {
		types = 1
	}
	b = b[min(2+wide, len(b)):]
	for range count {
		if len(b) < 3 || len(b) < 3+int(b[0])+types+wide {
			return errDamaged
		}
		name, rest := string(b[3:3+int(b[0])]), b[3+int(b[0])+types:]
		if wide == 8 {
			out[name] = int64(be.Uint64(rest))
		} else {
			out[name] = int64(be.Uint32(rest))
		}
		b = rest[wide:]
	}
	return nil
}

// dirData reads one block of a directory: entries and gaps, and in the form
// that has a single block an index at its end.
func (x *xfsFS) dirData(b []byte, out map[string]int64) error {
	head := 16
	switch string(b[:4]) {
	case "XD2D":
	case "XD2B", "XDB3":
		if index := int64(be.Uint32(b[len(b)-8:]))*8 + 8; index <= int64(len(b)) {
			b = b[:int64(len(b))-index]
		} else {
			return errDamaged
		}
	case "XDD3":
	case "\x00\x00\x00\x00":
		return nil // a hole
	default:
		return errDamaged
	}
	if x.v5 {
		head = 64
	}
	for b = b[min(head, len(b)):]; len(b) >= 12; {
		size := 0
		if be.Uint16(b) == 0xFFFF { // unused
			size = int(be.Uint16(b[2:]))
		} else {
			name := int(b[8])
			if size = 8 + 1 + name + 2; x.typesInEntries {
				size++
			}
			if size = (size + 7) &^ 7; size <= len(b) && len(out) < maxEntries {
				out[string(b[9:9+name])] = int64(be.Uint64(b))
			}
		}
		if size < 8 || size > len(b) {
			return errDamaged
		}
		b = b[size:]
	}
	return nil
}
