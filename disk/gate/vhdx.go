package gate

import (
	"fmt"
	"hash/crc32"
	"math/bits"
)

// Identifiers of regions and metadata items (MS-VHDX §2.2, §2.6), as they are
// printed.
const (
	vhdxBAT      = "2DC27766-F623-4200-9D64-115E9BFD4A08"
	vhdxMetadata = "8B7CA206-4790-4B9A-B8FE-575F050F886E"

	vhdxFile     = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"
	vhdxSize     = "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
	vhdxLogical  = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"
	vhdxPhysical = "CDA348C7-445D-4471-9CC9-E9885251C556"
	vhdxPage83   = "BECA12AB-B2E6-4523-93EF-C309E000C746"
	vhdxParent   = "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"
)

const mib = 1 << 20

// vhdx is the layout of a VHDX.
type vhdx struct {
	f       *input
	tab     tables
	size    int64
	block   int64
	ratio   int64 // payload blocks for each bitmap block
	bat     region
	regions []region // of the file, none of which may hold a block
}

type region struct {
	name    string
	off, n  int64
	present bool
}

func (r region) over(off, n int64) bool { return off < r.off+r.n && r.off < off+n }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcOf is the CRC-32C of a structure, of which the CRC itself, at 4, counts as
// zero.
func crcOf(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:4])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[8:])
}

func crcHolds(b []byte) bool { return crcOf(b) == le.Uint32(b[4:]) }

func printGUID(b []byte) string {
	return fmt.Sprintf("%08X-%04X-%04X-%04X-%012X", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

func (d *Disk) openVHDX(f *input) error {
	if f.size < mib {
		return refuse("VHDX_TRUNCATED", "The VHDX file has %d bytes; its structures alone take 1 MiB.", f.size)
	}
	v := &vhdx{f: f, regions: []region{{name: "header", n: mib}}}
	v.tab.f = f
	if err := v.header(); err != nil {
		return err
	}
	meta, err := v.regionTable()
	if err != nil {
		return err
	}
	if err := d.vhdxMetadata(v, meta); err != nil {
		return err
	}
	blocks := (v.size + v.block - 1) / v.block
	entries := blocks + (blocks-1)/v.ratio
	if 8*entries > v.bat.n {
		return refuse("VHDX_TABLE", "The VHDX file's block table has %d bytes; a disk of its size needs %d.", v.bat.n, 8*entries)
	}
	d.serve(f, v)
	return nil
}

// header takes the newer of the two that hold.
func (v *vhdx) header() error {
	var best []byte
	for _, at := range []int64{64 << 10, 128 << 10} {
		b, err := v.f.at(at, 4096)
		if err != nil {
			return err
		}
		if string(b[:4]) != "head" || !crcHolds(b) {
			continue
		}
		if best == nil || le.Uint64(b[8:]) > le.Uint64(best[8:]) {
			best = b
		}
	}
	if best == nil {
		return refuse("VHDX_HEADER", "Neither of the VHDX file's two headers has a valid checksum.")
	}
	if n := le.Uint16(best[66:]); n != 1 {
		return refuse("VHDX_VERSION", "The VHDX file is of version %d; 1 is known.", n)
	}
	if !allZero(best[48:64]) {
		return refuse("VHDX_DIRTY_LOG", "The VHDX file has changes in its log that were not applied: it was not closed cleanly.")
	}
	n, at := int64(le.Uint32(best[68:])), le.Uint64(best[72:])
	if n%mib != 0 || at%mib != 0 || n != 0 && (at < mib || at >= 1<<62 || !v.f.holds(int64(at), n)) {
		return refuse("VHDX_LOG", "The VHDX file's log of %d bytes at %d does not lie in the file.", n, at)
	}
	if n != 0 {
		v.regions = append(v.regions, region{"log", int64(at), n, true})
	}
	return nil
}

// regionTable takes the first copy that holds; both must say the same when both
// do.
func (v *vhdx) regionTable() (meta region, err error) {
	var first []byte
	for _, at := range []int64{192 << 10, 256 << 10} {
		b, err := v.f.at(at, 64<<10)
		if err != nil {
			return meta, err
		}
		if string(b[:4]) != "regi" || !crcHolds(b) {
			continue
		}
		if first == nil {
			first = b
		} else if string(first) != string(b) {
			return meta, refuse("VHDX_REGION", "The VHDX file's two region tables contradict each other.")
		}
	}
	if first == nil {
		return meta, refuse("VHDX_REGION", "Neither of the VHDX file's two region tables has a valid checksum.")
	}
	count := le.Uint32(first[8:])
	if count > 2047 {
		return meta, refuse("VHDX_REGION", "The VHDX file's region table has %d entries.", count)
	}
	for i := range int64(count) {
		e := first[16+32*i:][:32]
		r := region{name: printGUID(e), n: int64(le.Uint32(e[24:])), present: true}
		at := le.Uint64(e[16:])
		if at < mib || at%mib != 0 || at >= 1<<62 || r.n == 0 || r.n%mib != 0 || !v.f.holds(int64(at), r.n) {
			return meta, refuse("VHDX_REGION", "The VHDX file's region %s, %d bytes at %d, does not lie in the file of %d bytes.", r.name, r.n, at, v.f.size)
		}
		r.off = int64(at)
		for _, other := range v.regions {
			if other.over(r.off, r.n) {
				return meta, refuse("VHDX_REGION", "The VHDX file's region %s lies over another.", r.name)
			}
		}
		v.regions = append(v.regions, r)
		switch {
		case r.name == vhdxBAT && !v.bat.present:
			v.bat = r
		case r.name == vhdxMetadata && !meta.present:
			meta = r
		case r.name == vhdxBAT || r.name == vhdxMetadata:
			return meta, refuse("VHDX_REGION", "The VHDX file lists its region %s twice.", r.name)
		case le.Uint32(e[28:])&1 != 0:
			return meta, refuse("VHDX_UNKNOWN_REQUIRED", "The VHDX file needs a region that is not known, %s.", r.name)
		}
	}
	if !v.bat.present || !meta.present {
		return meta, refuse("VHDX_REGION", "The VHDX file lists no block table or no metadata.")
	}
	return meta, nil
}

// items reads the metadata table: the known items by name.
func (v *vhdx) items(meta region) (map[string][]byte, error) {
	const table = 64 << 10
	h, err := v.f.at(meta.off, table)
	if err != nil {
		return nil, err
	}
	count := int64(le.Uint16(h[10:]))
	if string(h[:8]) != "metadata" || count > 2047 {
		return nil, refuse("VHDX_METADATA", "The VHDX file's metadata table is none.")
	}
	known := map[string]int64{vhdxFile: 8, vhdxSize: 8, vhdxLogical: 4, vhdxPhysical: 4, vhdxPage83: 16}
	out := map[string][]byte{}
	for i := range count {
		e := h[32+32*i:][:32]
		name, off, n, flags := printGUID(e), int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:])), le.Uint32(e[24:])
		want, ok := known[name]
		switch {
		case name == vhdxParent:
			return nil, refuse("VHDX_PARENT", "The VHDX file names a parent: it is a differencing disk.")
		case !ok && flags&4 != 0:
			return nil, refuse("VHDX_UNKNOWN_REQUIRED", "The VHDX file needs metadata that is not known, %s.", name)
		case !ok:
			continue
		case n != want || off < table || off+n > meta.n || out[name] != nil:
			return nil, refuse("VHDX_METADATA", "The VHDX file's metadata item %s, %d bytes at %d, is out of bounds or there twice.", name, n, off)
		}
		if out[name], err = v.f.at(meta.off+off, n); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{vhdxFile, vhdxSize, vhdxLogical} {
		if out[name] == nil {
			return nil, refuse("VHDX_METADATA", "The VHDX file lacks the metadata item %s.", name)
		}
	}
	return out, nil
}

func (d *Disk) vhdxMetadata(v *vhdx, meta region) error {
	items, err := v.items(meta)
	if err != nil {
		return err
	}
	block, flags := le.Uint32(items[vhdxFile]), le.Uint32(items[vhdxFile][4:])
	if flags&2 != 0 {
		return refuse("VHDX_PARENT", "The VHDX file is a differencing disk: it holds only what differs from its parent.")
	}
	if block < mib || block > 256*mib || bits.OnesCount32(block) != 1 {
		return refuse("VHDX_BLOCK_SIZE", "The VHDX file has blocks of %d bytes; a power of two from 1 MiB to 256 MiB is allowed.", block)
	}
	sectorSize := le.Uint32(items[vhdxLogical])
	if sectorSize != 512 && sectorSize != 4096 {
		return refuse("VHDX_SECTOR_SIZE", "The VHDX file has sectors of %d bytes; 512 and 4096 are allowed.", sectorSize)
	}
	if sectorSize == 4096 {
		d.warn("The disk has sectors of 4096 bytes; a volume has sectors of 512, so its partition table will not be found.")
	}
	v.block, v.ratio = int64(block), int64(sectorSize)<<23/int64(block)
	if v.size, err = d.sizeOf(le.Uint64(items[vhdxSize]), 1); err != nil {
		return err
	}
	if v.size%int64(sectorSize) != 0 {
		return refuse("VHDX_SIZE", "The VHDX file holds a disk of %d bytes, no whole number of sectors.", v.size)
	}
	if d.Subformat = "dynamic"; flags&1 != 0 {
		d.Subformat = "fixed"
	}
	return nil
}

// States of a payload block (MS-VHDX §2.5.1.1).
const (
	vhdxNotPresent = 0
	vhdxUndefined  = 1
	vhdxZero       = 2
	vhdxUnmapped   = 3
	vhdxFull       = 6
	vhdxPartial    = 7
)

func (v *vhdx) find(off int64) (stretch, error) {
	i := off / v.block
	b, err := v.tab.entry(v.bat.off+8*(i+i/v.ratio), 8)
	if err != nil {
		return stretch{}, err
	}
	e := le.Uint64(b)
	n := (i+1)*v.block - off
	if e&0xffff8 != 0 {
		return stretch{}, refuse("VHDX_BLOCK", "The VHDX file's entry for block %d, %#x, sets bits that have no meaning.", i, e)
	}
	switch state := e & 7; state {
	case vhdxNotPresent, vhdxUndefined, vhdxZero, vhdxUnmapped:
		return stretch{n: n}, nil
	case vhdxFull:
	case vhdxPartial:
		return stretch{}, refuse("VHDX_PARENT", "The VHDX file's block %d is in part in a parent.", i)
	default:
		return stretch{}, refuse("VHDX_BLOCK", "The VHDX file's block %d is in the state %d, which is not known.", i, state)
	}
	at, need := int64(e>>20)*mib, min(v.block, v.size-i*v.block)
	if !v.f.holds(at, need) {
		return stretch{}, refuse("VHDX_TRUNCATED", "The VHDX file's block %d should be at %d; the file has %d bytes.", i, at, v.f.size)
	}
	for _, r := range v.regions {
		if r.over(at, need) {
			return stretch{}, refuse("VHDX_BLOCK", "The VHDX file's block %d lies over the file's own tables, at %d.", i, at)
		}
	}
	return stretch{n: n, kind: plain, at: at + off%v.block, host: at, hostN: v.block}, nil
}
