package hostile

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
)

const (
	vGrain    = 64 << 10
	vCapacity = 300 // sectors: two grains and a part
)

const vmdkText = `# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="%s"

# Extent description
%s

# The Disk Data Base
#DDB
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "1"
ddb.adapterType = "ide"
`

func vmdkHead(kind, extent string) image {
	var m image
	m.text(0, "KDMV")
	m.le32(4, 1)
	m.le32(8, 1|2)
	m.le64(12, vCapacity)
	m.le64(20, vGrain/512)
	m.le64(28, 1)
	m.le64(36, 2)
	m.le32(44, 512)
	m.le64(48, 3)
	m.le64(56, 4)
	m.le64(64, 128)
	m.text(73, "\n \r\n")
	m.text(512, fmt.Sprintf(vmdkText, kind, extent))
	m.size(5 * 512)
	return m
}

const goodExtent = `RW 300 SPARSE "disk.vmdk"`

// vmdk is a sparse disk: data, zeros, data.
func vmdk() image { return vmdkWith("monolithicSparse", goodExtent) }

func vmdkWith(kind, extent string) image {
	m := vmdkHead(kind, extent)
	m.le32(4*512, 8)
	m.le32(8*512, 128)
	m.le32(8*512+8, 256)
	m.put(128*512, noise(vGrain, 7)...)
	m.put(256*512, noise(vGrain, 8)...)
	return m
}

// tinyVMDK has grains of 4 KiB.
func tinyVMDK() image {
	m := vmdkHead("monolithicSparse", `RW 20 SPARSE "disk.vmdk"`)
	m.le64(12, 20)
	m.le64(20, 8)
	m.le64(64, 16)
	m.le32(4*512, 8)
	m.le32(8*512, 16)
	m.le32(8*512+8, 24)
	m.put(16*512, noise(2*4096, 7)...)
	return m
}

// stream is a streamOptimized disk with its directory at the end.
func stream() image {
	m := vmdkHead("streamOptimized", goodExtent)
	m.le32(4, 3)
	m.le32(8, 1|1<<16|1<<17)
	m.le16(77, 1)
	m.le64(48, 0)
	m.le64(56, 1<<64-1)
	grain := func(lba uint64, n int) int {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(noise(n, uint32(lba)))
		w.Close()
		at := max(128*512, (len(m)+511)/512*512)
		m.le64(at, lba)
		m.le32(at+8, uint32(z.Len()))
		m.put(at+12, z.Bytes()...)
		return at / 512
	}
	a := grain(0, vGrain)
	b := grain(256, vGrain)
	marker := func(sectors uint64, kind uint32) int {
		at := (len(m) + 511) / 512 * 512
		m.le64(at, sectors)
		m.le32(at+12, kind)
		m.size(at + 512)
		return at + 512
	}
	gt := marker(4, 1)
	m.le32(gt, uint32(a))
	m.le32(gt+8, uint32(b))
	m.size(gt + 4*512)
	gd := marker(1, 2)
	m.le32(gd, uint32(gt/512))
	m.size(gd + 512)
	foot := marker(1, 3)
	m.put(foot, m[:512]...)
	m.le64(foot+56, uint64(gd/512))
	m.size(foot + 1024)
	return m
}

func vmdkTexts() []*File {
	var all []*File
	for name, extent := range map[string]string{
		"flat": `RW 8 FLAT "/etc/passwd" 0`, "flat-relative": `RW 8 FLAT "../../etc/passwd" 0`, "device": `RW 8 FLAT "/dev/sda" 0`,
		"vmfs": `RW 8 VMFS "disk-flat.vmdk"`, "rdm": `RW 8 VMFSRDM "rdm.vmdk"`, "nbd": `RW 8 FLAT "nbd://192.0.2.1/x" 0`, "zero": `RW 8 ZERO`,
		"sparse": `RW 8 SPARSE "other.vmdk"`,
	} {
		all = append(all, &File{Name: "text-" + name + ".vmdk", Code: "VMDK_TEXT_DESCRIPTOR", Item: "a description of other files",
			Data: image(fmt.Sprintf(vmdkText, "monolithicFlat", extent))})
	}
	for name, extent := range map[string]string{
		"flat": `RW 300 FLAT "disk.vmdk" 0`, "path": `RW 300 SPARSE "/etc/passwd"`, "parent-dir": `RW 300 SPARSE "..\x.vmdk"`, "url": `RW 300 SPARSE "nbd:x"`,
		"dots": `RW 300 SPARSE ".."`, "two": goodExtent + "\n" + goodExtent, "none": "", "no-name": "RW 300 SPARSE", "noaccess": `NOACCESS 300 SPARSE "a.vmdk"`,
	} {
		all = append(all, &File{Name: "extent-" + name + ".vmdk", Code: "VMDK_EXTENT", Item: "an extent that is not the file itself", Data: vmdkWith("monolithicSparse", extent)})
	}
	for _, kind := range []string{"monolithicFlat", "twoGbMaxExtentSparse", "vmfs", "fullDevice", "custom", ""} {
		all = append(all, &File{Name: "type-" + kind + ".vmdk", Code: "VMDK_CREATE_TYPE", Item: "another createType", Data: vmdkWith(kind, goodExtent)})
	}
	line := func(name, code, item, text string) {
		all = append(all, &File{Name: name + ".vmdk", Code: code, Item: item, Data: vmdkWith("monolithicSparse", goodExtent+"\n"+text)})
	}
	line("parent-hint", "VMDK_PARENT", "names a parent", `parentFileNameHint="/etc/passwd"`)
	line("encrypted", "VMDK_ENCRYPTED", "encrypted", `encryption.keySafe = "vmware:key/list/(pair)"`)
	line("unknown-line", "VMDK_DESCRIPTOR", "a line that is not known", `include /etc/passwd`)
	line("type-twice", "VMDK_DESCRIPTOR", "two answers", `createType="vmfs"`)
	all = append(all, &File{Name: "parent-cid.vmdk", Code: "VMDK_PARENT", Item: "has a parent",
		Data: image(strings.Replace(string(vmdk()), "parentCID=ffffffff", "parentCID=00000001", 1))},
		&File{Name: "sectors-differ.vmdk", Code: "VMDK_CAPACITY", Item: "two sizes", Data: vmdkWith("monolithicSparse", `RW 301 SPARSE "disk.vmdk"`)})
	return all
}

func vmdks() []*File {
	all := append(vmdkTexts(), &File{Name: "good.vmdk", Item: "a disk", Data: vmdk()}, &File{Name: "good-tiny.vmdk", Item: "a small disk", Data: tinyVMDK()}, &File{Name: "good-stream.vmdk", Item: "a disk", Data: stream()})
	of := func(base func() image) func(name, code, item string, f func(*image)) *File {
		return func(name, code, item string, f func(*image)) *File {
			x := &File{Name: name + ".vmdk", Code: code, Item: item, Data: changed(base(), f)}
			all = append(all, x)
			return x
		}
	}
	add := of(vmdk)
	add("cowd", "VMDK_OLD_SPARSE", "the old sparse kind", func(m *image) { m.text(0, "COWD") })
	add("sesparse", "VMDK_OLD_SPARSE", "seSparse", func(m *image) { m.le64(0, 0xcafebabe) })
	add("short", "VMDK_HEADER", "half a header", func(m *image) { *m = (*m)[:200] })
	add("overhead", "VMDK_HEADER", "data behind the end", func(m *image) { m.le64(64, 1<<50) })
	add("version-9", "VMDK_VERSION", "version 9", func(m *image) { m.le32(4, 9) })
	add("text-mode", "VMDK_DAMAGED_BY_TEXT_MODE", "transferred as text", func(m *image) { m.text(73, "\n \n\n") })
	add("flags", "VMDK_FLAGS", "unknown flags", func(m *image) { m.le32(8, 1<<30|3) })
	add("markers-only", "VMDK_FLAGS", "markers without compression", func(m *image) { m.le32(8, 3|1<<17) })
	add("unclean", "VMDK_UNCLEAN", "not closed", func(m *image) { m.put(72, 1) })
	add("compression-9", "VMDK_COMPRESSION", "an unknown compression", func(m *image) { m.le16(77, 9) })
	add("grain-0", "VMDK_GRAIN_SIZE", "grains of nothing", func(m *image) { m.le64(20, 0) })
	add("grain-2-63", "VMDK_GRAIN_SIZE", "grains of 2^63 sectors", func(m *image) { m.le64(20, 1<<63) })
	add("tables-0", "VMDK_GRAIN_SIZE", "tables of nothing", func(m *image) { m.le32(44, 0) })
	add("tables-4g", "VMDK_GRAIN_SIZE", "tables of 2^32", func(m *image) { m.le32(44, 1<<32-1) })
	add("capacity-0", "VMDK_CAPACITY", "a disk of nothing", func(m *image) { m.le64(12, 0) })
	add("capacity-max", "TOO_LARGE", "2^64 sectors", func(m *image) { m.le64(12, 1<<64-1) })
	add("no-descriptor", "VMDK_NO_DESCRIPTOR", "one piece of several", func(m *image) { m.le64(28, 0); m.le64(36, 0) })
	add("descriptor-outside", "VMDK_DESCRIPTOR", "its description outside", func(m *image) { m.le64(28, 1<<40) })
	add("descriptor-huge", "VMDK_DESCRIPTOR", "a description of 2^63 sectors", func(m *image) { m.le64(36, 1<<63) })
	add("descriptor-tail", "VMDK_DESCRIPTOR", "text behind the end of the description", func(m *image) { m.text(1400, "RW 8 FLAT \"/etc/passwd\" 0\n") })
	add("directory-outside", "VMDK_GRAIN_DIRECTORY", "the directory outside", func(m *image) { m.le64(56, 1<<54) })
	add("directory-0", "VMDK_GRAIN_DIRECTORY", "no directory", func(m *image) { m.le64(56, 0) })
	add("table-outside", "VMDK_GRAIN_TABLE", "a table outside", func(m *image) { m.le32(4*512, 1<<32-1) })
	add("grain-is-directory", "VMDK_GRAIN", "data in the header", func(m *image) { m.le32(8*512, 2) })
	add("grain-twice", "VMDK_GRAIN", "two grains in one place", func(m *image) { m.le32(8*512+4, 128) })
	add("grain-outside", "VMDK_TRUNCATED", "data outside", func(m *image) { m.le32(8*512, 1<<31) })
	add("cut", "VMDK_TRUNCATED", "cut short", func(m *image) { *m = (*m)[:256*512+512] })
	add = of(stream)
	add("stream-type", "VMDK_FLAGS", "a sparse disk that says streamOptimized", func(m *image) { *m = vmdkWith("streamOptimized", goodExtent) })
	add("stream-odd", "VMDK_TRUNCATED", "cut inside of a sector", func(m *image) { *m = (*m)[:len(*m)-100] })
	add("stream-cut", "VMDK_FOOTER", "cut: no footer", func(m *image) { *m = (*m)[:len(*m)-1024] })
	add("footer-differs", "VMDK_FOOTER", "another size in the footer", func(m *image) { m.le64(len(*m)-1024+12, 1<<40) })
	add("footer-at-end", "VMDK_FOOTER", "a footer that points at the footer", func(m *image) { m.le64(len(*m)-1024+56, 1<<64-1) })
	add("grain-lba", "VMDK_GRAIN", "a grain of another place", func(m *image) { m.le64(128*512, 256) }).When = Read
	add("grain-size", "VMDK_GRAIN", "a grain of 4 GiB", func(m *image) { m.le32(128*512+8, 1<<32-1) }).When = Read
	add("grain-garbage", "VMDK_GRAIN", "a grain that is damaged", func(m *image) { m.put(128*512+5000, noise(64, 1)...) }).When = Read
	add("grain-bomb", "VMDK_GRAIN", "a grain of 4 MiB", func(m *image) {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(make([]byte, 4<<20))
		w.Close()
		m.le32(128*512+8, uint32(z.Len()))
		m.put(128*512+12, z.Bytes()...)
	}).When = Read
	return all
}
