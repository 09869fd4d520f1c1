package gate

import "math/bits"

// Types of a VHD (Microsoft, Virtual Hard Disk Image Format Specification).
const (
	vhdFixed        = 2
	vhdDynamic      = 3
	vhdDifferencing = 4
)

const vhdUnused = 0xffffffff

// vhd is the layout of a dynamic VHD.
type vhd struct {
	f      *input
	tab    tables
	size   int64
	block  int64 // bytes of data
	bitmap int64 // bytes before them
	batAt  int64
	batLen int64 // entries
	dataAt int64 // nothing before it is a block
}

func (d *Disk) openVHD(f *input) error {
	if f.size == unbounded {
		return d.vhdHead(f)
	}
	foot, err := f.at(max(0, f.size-sector), min(f.size, sector))
	if err == errBeyond {
		return d.vhdHead(f)
	}
	if err != nil {
		return err
	}
	if len(foot) < sector || string(foot[:8]) != "conectix" {
		if err := d.vhdHead(f); err != nil && err != errBeyond {
			return err // it says more than that the end is missing
		}
		return refuse("VHD_TRUNCATED", "The VHD file of %d bytes does not end with its footer.", f.size)
	}
	return d.vhdBody(f, foot)
}

// vhdHead judges by the footer's copy at the beginning, while the end is
// unknown.
func (d *Disk) vhdHead(f *input) error {
	b, err := f.at(0, min(f.size, sector))
	if err != nil {
		return err
	}
	if len(b) < sector {
		return refuse("VHD_TRUNCATED", "The VHD file has %d bytes.", f.size)
	}
	if _, err := d.vhdFooter(b); err != nil {
		return err
	}
	return errBeyond
}

// vhdFooter checks a footer and gives the type.
func (d *Disk) vhdFooter(b []byte) (kind uint32, err error) {
	sum := be.Uint32(b[64:])
	if got := onesComplement(b, 64); got != sum {
		return 0, refuse("VHD_CHECKSUM", "The checksum of the VHD file's footer is %#x; its bytes give %#x.", sum, got)
	}
	if v := be.Uint32(b[12:]); v != 0x10000 {
		return 0, refuse("VHD_VERSION", "The VHD file is of version %#x; 0x10000 is known.", v)
	}
	switch kind = be.Uint32(b[60:]); kind {
	case vhdFixed:
		d.Subformat = "fixed"
	case vhdDynamic:
		d.Subformat = "dynamic"
	case vhdDifferencing:
		return 0, refuse("VHD_DIFFERENCING", "The VHD file is a differencing disk: it holds only what differs from its parent.")
	default:
		return 0, refuse("VHD_TYPE", "The VHD file is of type %d; fixed and dynamic are taken.", kind)
	}
	if b[84] != 0 {
		return 0, refuse("VHD_SAVED_STATE", "The VHD file belongs to a machine with a saved state.")
	}
	_, err = d.sizeOf(be.Uint64(b[48:]), 1)
	if err == nil && d.VirtualSize%sector != 0 {
		err = refuse("VHD_SIZE", "The VHD file holds a disk of %d bytes, no whole number of sectors.", d.VirtualSize)
	}
	return kind, err
}

func onesComplement(b []byte, skip int) uint32 {
	var sum uint32
	for i, v := range b {
		if i < skip || i >= skip+4 {
			sum += uint32(v)
		}
	}
	return ^sum
}

func (d *Disk) vhdBody(f *input, foot []byte) error {
	kind, err := d.vhdFooter(foot)
	if err != nil {
		return err
	}
	d.vhdGeometry(foot)
	if kind == vhdFixed {
		if d.VirtualSize != f.size-sector {
			return refuse("VHD_SIZE", "The fixed VHD file says that its disk has %d bytes; it holds %d.", d.VirtualSize, f.size-sector)
		}
		d.serve(f, flat{f, 0, d.VirtualSize})
		return nil
	}
	head, err := f.at(0, sector)
	if err != nil {
		return err
	}
	if string(head) != string(foot) {
		return refuse("VHD_FOOTER", "The VHD file's footer and its copy at the beginning differ.")
	}
	at := be.Uint64(foot[16:])
	if at < sector || at%sector != 0 || at > uint64(f.size) || !f.holds(int64(at), 1024) {
		return refuse("VHD_HEADER", "The VHD file's dynamic header at %d does not lie in the file of %d bytes.", at, f.size)
	}
	h, err := f.at(int64(at), 1024)
	if err != nil {
		return err
	}
	v := &vhd{f: f, size: d.VirtualSize}
	v.tab.f = f
	if err := v.header(h, int64(at)); err != nil {
		return err
	}
	d.serve(f, v)
	return nil
}

// vhdGeometry warns about the one ambiguity of the format.
func (d *Disk) vhdGeometry(foot []byte) {
	chs := int64(be.Uint16(foot[56:])) * int64(foot[58]) * int64(foot[59]) * sector
	if chs != d.VirtualSize && chs < 65535*16*255*sector {
		d.warn("The VHD file's geometry gives %d bytes, its size field %d; the size field is used.", chs, d.VirtualSize)
	}
}

func (v *vhd) header(h []byte, at int64) error {
	if string(h[:8]) != "cxsparse" || be.Uint32(h[24:]) != 0x10000 {
		return refuse("VHD_HEADER", "The VHD file's dynamic header is none.")
	}
	if got := onesComplement(h, 36); got != be.Uint32(h[36:]) {
		return refuse("VHD_CHECKSUM", "The checksum of the VHD file's dynamic header is %#x; its bytes give %#x.", be.Uint32(h[36:]), got)
	}
	if !allZero(h[40:56]) || !allZero(h[64:768]) {
		return refuse("VHD_PARENT", "The VHD file names a parent.")
	}
	block := be.Uint32(h[32:])
	if block < 512<<10 || block > 256<<20 || bits.OnesCount32(block) != 1 {
		return refuse("VHD_BLOCK_SIZE", "The VHD file has blocks of %d bytes; a power of two from 512 KiB to 256 MiB is allowed.", block)
	}
	v.block = int64(block)
	v.bitmap = (v.block/sector/8 + sector - 1) / sector * sector
	need := (v.size + v.block - 1) / v.block
	v.batLen = int64(be.Uint32(h[28:]))
	bat := be.Uint64(h[16:])
	if v.batLen < need {
		return refuse("VHD_TABLE", "The VHD file's block table has %d entries; a disk of its size needs %d.", v.batLen, need)
	}
	if bat < sector || bat%sector != 0 || bat > uint64(v.f.size) || !v.f.holds(int64(bat), 4*v.batLen) ||
		int64(bat) < at+1024 && at < int64(bat)+4*v.batLen {
		return refuse("VHD_TABLE", "The VHD file's block table of %d entries at %d does not lie in the file of %d bytes.", v.batLen, bat, v.f.size)
	}
	v.batAt = int64(bat)
	v.dataAt = at
	return nil
}

// taken tells whether n bytes at off touch the structures of the file.
func (v *vhd) taken(off, n int64) bool {
	over := func(at, len int64) bool { return off < at+len && at < off+n }
	return over(0, sector) || over(v.dataAt, 1024) || over(v.batAt, 4*v.batLen) || over(v.f.size-sector, sector)
}

func (v *vhd) find(off int64) (stretch, error) {
	i := off / v.block
	b, err := v.tab.entry(v.batAt+4*i, 4)
	if err != nil {
		return stretch{}, err
	}
	e := be.Uint32(b)
	n := (i+1)*v.block - off
	if e == vhdUnused {
		return stretch{n: n}, nil
	}
	at := int64(e) * sector
	need := v.bitmap + min(v.block, v.size-i*v.block)
	if !v.f.holds(at, need) || v.taken(at, need) {
		return stretch{}, refuse("VHD_BLOCK", "The VHD file's block %d should be at %d; the file has %d bytes.", i, at, v.f.size)
	}
	return v.written(i, off, at)
}

// written looks at the block's bitmap: a sector that was never written is
// zeros. Programs that heed the bitmap and programs that do not must see the
// same, so such a sector may not hold anything else.
func (v *vhd) written(i, off, at int64) (stretch, error) {
	bitmap, err := v.tab.bitmaps.get(at, func() ([]byte, error) { return v.f.at(at, v.bitmap) })
	if err != nil {
		return stretch{}, err
	}
	first := off % v.block / sector
	end := min(v.block, v.size-i*v.block) / sector
	bit := func(s int64) bool { return bitmap[s/8]&(0x80>>(s%8)) != 0 }
	last := first + 1
	for last < end && bit(last) == bit(first) {
		last++
	}
	in := off % sector
	s := stretch{n: (last-first)*sector - in, kind: unwritten, at: at + v.bitmap + first*sector + in}
	if bit(first) {
		s.kind = plain
	}
	if off%v.block == 0 {
		s.host, s.hostN = at, v.bitmap+v.block
	}
	return s, nil
}
