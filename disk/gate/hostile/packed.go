package hostile

import (
	"bytes"
	"compress/gzip"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

func gz(b []byte) image {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func zst(b []byte, o ...zstd.EOption) image {
	var z bytes.Buffer
	w, err := zstd.NewWriter(&z, append(o, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return z.Bytes()
}

// runs is a zstd frame of one byte again and again (RFC 8878 §3.1.1.2.2).
func runs(b byte, n int) image {
	m := image("\x28\xb5\x2f\xfd\x00\x38") // a window of 128 KiB
	const block = 128 << 10
	for ; n > 0; n -= block {
		v := uint32(block)<<3 | 1<<1
		if n <= block {
			v |= 1
		}
		m = append(m, byte(v), byte(v>>8), byte(v>>16), b)
	}
	return m
}

func xzed(b []byte) image {
	var z bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 20}.NewWriter(&z)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func packed() []*File {
	var all []*File
	add := func(name, code, item string, data image) *File {
		f := &File{Name: name, Code: code, Item: item, Data: data}
		all = append(all, f)
		return f
	}
	disk := qcow2()
	add("good.qcow2.gz", "", "a disk", gz(disk))
	add("good.qcow2.zst", "", "a disk", zst(disk))
	add("good.qcow2.xz", "", "a disk", xzed(disk))
	add("good-tiny.qcow2.gz", "", "a small disk", gz(tiny()))
	add("good-tiny.qcow2.zst", "", "a small disk", zst(tiny()))
	add("good-tiny.qcow2.xz", "", "a small disk", xzed(tiny()))
	add("good.raw.gz", "", "a disk", gz(noise(3<<20, 1)))
	add("good.ova.xz", "", "a disk", xzed(pack(entry{name: "box.ovf", data: ovfFor("disk.vmdk")}, entry{name: "disk.vmdk", data: stream()})))
	for name, b := range map[string]image{"gz": gz(backing("/etc/passwd")), "zst": zst(backing("/etc/passwd")), "xz": xzed(backing("/etc/passwd"))} {
		add("backing.qcow2."+name, "QCOW2_BACKING_FILE", "a backing file behind compression", b)
	}
	add("flat.vmdk.gz", "VMDK_TEXT_DESCRIPTOR", "a description behind compression", gz(vmdkTexts()[0].Data))
	add("differencing.vhd.gz", "VHD_DIFFERENCING", "a differencing disk behind compression", gz(vhd(func(m *image, o int) { m.be32(o+60, 4) }, nil)))
	add("twice.gz.gz", "COMPRESSED_NESTED", "compressed twice", gz(gz(disk)))
	add("twice.xz.zst", "COMPRESSED_NESTED", "compressed twice", zst(xzed(disk)))
	add("empty.gz", "EMPTY_FILE", "nothing, compressed", gz(nil))
	add("cut.gz", "GZIP_DAMAGED", "cut short", gz(noise(1<<20, 1))[:1<<19])
	add("cut-late.gz", "GZIP_DAMAGED", "cut short behind what is looked at", gz(noise(3<<20, 1))[:2<<20]).When = Unpack
	add("crc.gz", "GZIP_DAMAGED", "a wrong checksum", changed(gz(noise(3<<20, 1)), func(m *image) { m.put(len(*m)-5, (*m)[len(*m)-5]^1) })).When = Unpack
	add("cut.zst", "ZSTD_DAMAGED", "cut short", zst(noise(1<<20, 1))[:1<<19])
	add("crc.zst", "ZSTD_DAMAGED", "a wrong checksum", changed(zst(noise(3<<20, 1)), func(m *image) { m.put(len(*m)-2, (*m)[len(*m)-2]^1) })).When = Unpack
	add("cut.xz", "XZ_DAMAGED", "cut short", xzed(noise(300<<10, 1))[:100<<10])
	add("index.xz", "XZ_DAMAGED", "a wrong index", changed(xzed(disk), func(m *image) { m.put(len(*m)-16, (*m)[len(*m)-16]^1) }))
	add("tail.xz", "XZ_DAMAGED", "bytes behind the end", append(xzed(disk), "garbage"...))
	// A frame that wants a window of 2 GiB, as `zstd --long=31` makes it.
	window := image("\x28\xb5\x2f\xfd\x00\xa8\x03\x00\x00\x00")
	window.put(12, make([]byte, 64)...)
	add("window-2g.zst", "ZSTD_WINDOW", "a window of 2 GiB", window)
	add("size-8e.zst", "TOO_LARGE", "8 EiB announced", append(image("\x28\xb5\x2f\xfd\xc0\x50\xff\xff\xff\xff\xff\xff\xff\x7f"), make([]byte, 64)...))
	add("dictionary.zst", "ZSTD_DICTIONARY", "a dictionary", append(image("\x28\xb5\x2f\xfd\x01\x50\x07\x01\x00\x00"), make([]byte, 64)...))
	dict := func(prop byte, filter byte) func(*image) {
		return func(m *image) {
			(*m)[12+2] = filter
			(*m)[12+4] = prop
			n := (int((*m)[12])+1)*4 - 4
			m.le32(12+n, crc32.ChecksumIEEE((*m)[12:12+n]))
		}
	}
	add("dictionary-4g.xz", "XZ_DICTIONARY", "a dictionary of 4 GiB", changed(xzed(disk), dict(40, 0x21)))
	add("dictionary-96m.xz", "XZ_DICTIONARY", "a dictionary of 96 MiB", changed(xzed(disk), dict(29, 0x21)))
	add("filter.xz", "XZ_FILTER", "a filter", changed(xzed(disk), dict(16, 0x04)))
	add("bomb.gz", "TOO_LARGE", "1000 to 1 beyond the limit", gz(make([]byte, 5<<20))).When = Unpack
	add("bomb.xz", "TOO_LARGE", "5000 to 1 beyond the limit", xzed(make([]byte, 5<<20))).When = Unpack
	for _, f := range all[len(all)-2:] {
		f.MaxBytes = 4 << 20
	}
	add("data-bomb.zst", "COMPRESSION_BOMB", "data that repeats, 30,000 to 1", runs('A', 140<<20)).When = Unpack
	return all
}
