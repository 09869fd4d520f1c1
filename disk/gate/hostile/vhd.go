package hostile

import "hash/crc32"

func complement(m *image, off, n, field int) {
	m.be32(off+field, 0)
	var sum uint32
	for _, b := range (*m)[off : off+n] {
		sum += uint32(b)
	}
	m.be32(off+field, ^sum)
}

// vhdFoot writes a footer with its checksum.
func vhdFoot(m *image, off int, kind uint32, size uint64, edit func(*image, int)) {
	m.put(off, make([]byte, 512)...)
	m.text(off, "conectix")
	m.be32(off+8, 2)
	m.be32(off+12, 0x10000)
	m.be64(off+16, 512)
	if kind == 2 {
		m.be64(off+16, 1<<64-1)
	}
	m.text(off+28, "slip")
	m.be64(off+40, size)
	m.be64(off+48, size)
	m.put(off+56, 0xff, 0xff, 16, 255)
	m.be32(off+60, kind)
	m.put(off+68, noise(16, 4)...)
	if edit != nil {
		edit(m, off)
	}
	complement(m, off, 512, 64)
}

const hBlock = 512 << 10

// vhd is a dynamic disk of three blocks and a sector: data, half of which was
// written, zeros, data, zeros.
func vhd(foot func(*image, int), head func(*image)) image {
	const size = 3*hBlock + 512
	var m image
	vhdFoot(&m, 0, 3, size, foot)
	h := 512
	m.text(h, "cxsparse")
	m.be64(h+8, 1<<64-1)
	m.be64(h+16, 1536)
	m.be32(h+24, 0x10000)
	m.be32(h+28, 4)
	m.be32(h+32, hBlock)
	m.size(1536)
	if head != nil {
		head(&m)
	}
	complement(&m, h, 1024, 36)
	for i, v := range []uint32{4, 0xffffffff, 4 + 1 + hBlock/512, 0xffffffff} {
		m.be32(1536+4*i, v)
	}
	for i := range 512 / 4 {
		if i >= 4 {
			m.be32(1536+4*i, 0xffffffff)
		}
	}
	bitmap := make([]byte, 512)
	for i := range 64 {
		bitmap[i] = 0xff
	}
	m.put(4*512, bitmap...)
	m.put(5*512, noise(hBlock/2, 9)...)
	m.put(5*512+hBlock, bitmap...)
	for i := range 128 {
		m.put(5*512+hBlock+i, 0xff)
	}
	m.put(6*512+hBlock, noise(hBlock, 10)...)
	end := 6*512 + 2*hBlock
	m.put(end, m[:512]...)
	return m
}

func vhds() []*File {
	var all []*File
	good := vhd(nil, nil)
	add := func(name, code, item string, data image) {
		all = append(all, &File{Name: name + ".vhd", Code: code, Item: item, Data: data})
	}
	foot := func(name, code, item string, edit func(*image, int)) { add(name, code, item, vhd(edit, nil)) }
	head := func(name, code, item string, edit func(*image)) { add(name, code, item, vhd(nil, edit)) }
	with := func(name, code, item string, edit func(*image)) { add(name, code, item, changed(good, edit)) }
	fixed := func(size uint64) image {
		m := image(noise(64<<10, 3))
		vhdFoot(&m, 64<<10, 2, size, nil)
		return m
	}
	add("good", "", "a disk", good)
	add("good-tiny", "", "a disk of zeros", changed(vhd(nil, nil)[:4*512], func(m *image) {
		for i := range 4 {
			m.be32(1536+4*i, 0xffffffff)
		}
		m.put(4*512, (*m)[:512]...)
	}))
	add("good-fixed", "", "a disk", fixed(64<<10))
	add("fixed-size", "VHD_SIZE", "a fixed disk that says it is larger", fixed(1<<30))
	add("fixed-odd", "VHD_SIZE", "no whole sectors", fixed(64<<10-1))
	foot("differencing", "VHD_DIFFERENCING", "a differencing disk (qemu-img makes zeros of it)", func(m *image, o int) { m.be32(o+60, 4) })
	foot("type-0", "VHD_TYPE", "no type", func(m *image, o int) { m.be32(o+60, 0) })
	foot("version", "VHD_VERSION", "version 2", func(m *image, o int) { m.be32(o+12, 0x20000) })
	foot("saved-state", "VHD_SAVED_STATE", "a saved state", func(m *image, o int) { m.put(o+84, 1) })
	foot("size-8e", "TOO_LARGE", "8 EiB", func(m *image, o int) { m.be64(o+48, 1<<63) })
	foot("header-outside", "VHD_HEADER", "the dynamic header outside", func(m *image, o int) { m.be64(o+16, 1<<62) })
	with("checksum", "VHD_CHECKSUM", "a wrong checksum", func(m *image) { m.put(len(*m)-1, 1) })
	with("copies-differ", "VHD_FOOTER", "two footers", func(m *image) { vhdFoot(m, 0, 3, 1<<30, nil) })
	with("cut", "VHD_TRUNCATED", "cut short", func(m *image) { *m = (*m)[:len(*m)-512] })
	head("parent-id", "VHD_PARENT", "a parent in a disk that says it has none", func(m *image) { m.put(512+40, noise(16, 2)...) })
	head("parent-name", "VHD_PARENT", "a parent's name", func(m *image) { m.text(512+64, "\x00/\x00e\x00t\x00c") })
	head("parent-locator", "VHD_PARENT", "a parent's locator", func(m *image) { m.text(512+576, "W2ku") })
	head("table-4g", "VHD_TABLE", "2^32 blocks", func(m *image) { m.be32(512+28, 1<<32-1) })
	head("table-few", "VHD_TABLE", "too few blocks", func(m *image) { m.be32(512+28, 1) })
	head("table-outside", "VHD_TABLE", "the table outside", func(m *image) { m.be64(512+16, 1<<63) })
	head("table-over-header", "VHD_TABLE", "the table over the header", func(m *image) { m.be64(512+16, 1024) })
	head("block-0", "VHD_BLOCK_SIZE", "blocks of nothing", func(m *image) { m.be32(512+32, 0) })
	head("block-odd", "VHD_BLOCK_SIZE", "blocks of 3 MiB", func(m *image) { m.be32(512+32, 3<<20) })
	head("cookie", "VHD_HEADER", "no dynamic header", func(m *image) { m.text(512, "cxsparsX") })
	with("header-checksum", "VHD_CHECKSUM", "a wrong checksum", func(m *image) { m.put(512+1000, 1) })
	with("block-outside", "VHD_BLOCK", "a block outside", func(m *image) { m.be32(1536, 1<<31) })
	with("block-is-header", "VHD_BLOCK", "a block over the header", func(m *image) { m.be32(1536, 1) })
	with("block-is-footer", "VHD_BLOCK", "a block over the footer", func(m *image) { m.be32(1536, uint32(len(*m)-hBlock)/512) })
	with("block-twice", "VHD_BLOCK", "two blocks in one place", func(m *image) { m.be32(1536+4, 4) })
	with("bitmap", "VHD_BITMAP", "data that was never written", func(m *image) { m.put(5*512+hBlock-1, 1) })
	all[len(all)-1].When = Read
	return all
}

// guids as they lie in a VHDX.
var (
	gBAT      = "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"
	gMeta     = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
	gFile     = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"
	gSize     = "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
	gSector   = "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"
	gPage83   = "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46"
	gPhysical = "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56"
	gParent   = "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"
	gOther    = "slipway-unknown!"
)

const xLog, xMeta, xBAT, xData = 1 << 20, 2 << 20, 3 << 20, 4 << 20

func castagnoli(m *image, off, n int) {
	m.le32(off+4, 0)
	m.size(off + n)
	m.le32(off+4, crc32.Checksum((*m)[off:off+n], crc32.MakeTable(crc32.Castagnoli)))
}

// vhdx is a disk of three MiB: data, zeros, data. edit changes it before its
// checksums are made.
func vhdx(edit func(*image)) image {
	var m image
	m.text(0, "vhdxfile")
	for i, at := range []int{64 << 10, 128 << 10} {
		m.text(at, "head")
		m.le64(at+8, uint64(i+1))
		m.put(at+16, noise(32, uint32(i))...)
		m.le16(at+66, 1)
		m.le32(at+68, 1<<20)
		m.le64(at+72, xLog)
	}
	for _, at := range []int{192 << 10, 256 << 10} {
		m.text(at, "regi")
		m.le32(at+8, 2)
		for i, r := range []struct {
			id string
			at uint64
		}{{gBAT, xBAT}, {gMeta, xMeta}} {
			e := at + 16 + 32*i
			m.text(e, r.id)
			m.le64(e+16, r.at)
			m.le32(e+24, 1<<20)
			m.le32(e+28, 1)
		}
	}
	m.text(xMeta, "metadata")
	m.le16(xMeta+10, 5)
	for i, it := range []struct {
		id         string
		len, flags uint32
	}{{gFile, 8, 4}, {gSize, 8, 6}, {gSector, 4, 6}, {gPage83, 16, 6}, {gPhysical, 4, 6}} {
		e := xMeta + 32 + 32*i
		m.text(e, it.id)
		m.le32(e+16, uint32(64<<10+16*i))
		m.le32(e+20, it.len)
		m.le32(e+24, it.flags)
	}
	m.put(xMeta+64<<10+48, noise(16, 7)...)
	m.le32(xMeta+64<<10+64, 4096)
	m.le32(xMeta+64<<10, 1<<20)
	m.le64(xMeta+64<<10+16, 3<<20)
	m.le32(xMeta+64<<10+32, 512)
	m.le64(xBAT, xData|6)
	m.le64(xBAT+16, xData+1<<20|6)
	m.put(xData, noise(2<<20, 6)...)
	if edit != nil {
		edit(&m)
	}
	castagnoli(&m, 64<<10, 4096)
	castagnoli(&m, 128<<10, 4096)
	castagnoli(&m, 192<<10, 64<<10)
	castagnoli(&m, 256<<10, 64<<10)
	return m
}

func vhdxs() []*File {
	var all []*File
	add := func(name, code, item string, data image) {
		all = append(all, &File{Name: name + ".vhdx", Code: code, Item: item, Data: data})
	}
	with := func(name, code, item string, edit func(*image)) { add(name, code, item, vhdx(edit)) }
	const h1, h2, r1, r2, items = 64 << 10, 128 << 10, 192 << 10, 256 << 10, xMeta + 64<<10
	both := func(off int, f func(m *image, at int)) func(*image) {
		return func(m *image) { f(m, r1+off); f(m, r2+off) }
	}
	with("good", "", "a disk", nil)
	with("parent-flag", "VHDX_PARENT", "a differencing disk", func(m *image) { m.le32(items+4, 2) })
	with("parent-locator", "VHDX_PARENT", "a parent's locator", func(m *image) { m.text(xMeta+32+96, gParent) })
	with("parent-block", "VHDX_PARENT", "a block in part in a parent", func(m *image) { m.le64(xBAT, xData|7) })
	with("dirty-log", "VHDX_DIRTY_LOG", "a log that was not applied", func(m *image) { m.put(h2+48, noise(16, 1)...) })
	with("version", "VHDX_VERSION", "version 7", func(m *image) { m.le16(h2+66, 7) })
	with("log-outside", "VHDX_LOG", "a log outside", func(m *image) { m.le64(h2+72, 1<<50) })
	add("headers", "VHDX_HEADER", "no header holds", changed(vhdx(nil), func(m *image) { m.put(h1+100, 1); m.put(h2+100, 1) }))
	add("regions", "VHDX_REGION", "no region table holds", changed(vhdx(nil), func(m *image) { m.put(r1+9000, 1); m.put(r2+9000, 1) }))
	with("regions-differ", "VHDX_REGION", "two region tables", func(m *image) { m.put(r2+9000, 1) })
	with("regions-4g", "VHDX_REGION", "2^32 regions", both(8, func(m *image, at int) { m.le32(at, 1<<32-1) }))
	with("region-outside", "VHDX_REGION", "a region outside", both(32, func(m *image, at int) { m.le64(at, 1<<60) }))
	with("region-over", "VHDX_REGION", "one region over another", both(32, func(m *image, at int) { m.le64(at, xMeta) }))
	with("region-twice", "VHDX_REGION", "a region twice", both(48, func(m *image, at int) { m.text(at, gBAT) }))
	with("region-none", "VHDX_REGION", "no regions", both(8, func(m *image, at int) { m.le32(at, 0) }))
	with("region-unknown", "VHDX_UNKNOWN_REQUIRED", "an unknown region", both(48, func(m *image, at int) { m.text(at, gOther) }))
	with("item-unknown", "VHDX_UNKNOWN_REQUIRED", "unknown metadata", func(m *image) { m.text(xMeta+32, gOther) })
	with("metadata", "VHDX_METADATA", "no metadata table", func(m *image) { m.text(xMeta, "METADATA") })
	with("items-65535", "VHDX_METADATA", "65,535 items", func(m *image) { m.le16(xMeta+10, 65535) })
	with("item-outside", "VHDX_METADATA", "an item outside", func(m *image) { m.le32(xMeta+32+16, 1<<32-8) })
	with("item-twice", "VHDX_METADATA", "an item twice", func(m *image) { m.text(xMeta+64, gFile) })
	with("item-missing", "VHDX_METADATA", "no size", func(m *image) { m.le16(xMeta+10, 1) })
	with("block-size", "VHDX_BLOCK_SIZE", "blocks of 3 GiB", func(m *image) { m.le32(items, 3<<30) })
	with("block-0", "VHDX_BLOCK_SIZE", "blocks of nothing", func(m *image) { m.le32(items, 0) })
	with("sector-1", "VHDX_SECTOR_SIZE", "sectors of 1 byte", func(m *image) { m.le32(items+32, 1) })
	with("size-odd", "VHDX_SIZE", "no whole sectors", func(m *image) { m.le64(items+16, 3<<20-1) })
	with("size-8e", "TOO_LARGE", "8 EiB", func(m *image) { m.le64(items+16, 1<<63) })
	with("table-small", "VHDX_TABLE", "a table too small", func(m *image) { m.le64(items+16, 1<<40) })
	with("block-state", "VHDX_BLOCK", "an unknown state", func(m *image) { m.le64(xBAT, xData|5) })
	with("block-reserved", "VHDX_BLOCK", "reserved bits", func(m *image) { m.le64(xBAT, xData|6|8) })
	with("block-is-table", "VHDX_BLOCK", "a block over the table", func(m *image) { m.le64(xBAT, xBAT|6) })
	with("block-is-header", "VHDX_BLOCK", "a block over the header", func(m *image) { m.le64(xBAT, 6) })
	with("block-twice", "VHDX_BLOCK", "two blocks in one place", func(m *image) { m.le64(xBAT+8, xData|6) })
	with("block-outside", "VHDX_TRUNCATED", "a block outside", func(m *image) { m.le64(xBAT, 1<<50|6) })
	with("short", "VHDX_TRUNCATED", "half a header", nil)
	all[len(all)-1].Data = all[len(all)-1].Data[:100<<10]
	return all
}
