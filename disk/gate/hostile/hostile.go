// Package hostile writes the disk images that attack an importer, each byte of
// them by the project itself: at least one for every refusal of disk/gate, and
// the good images that they differ from by one thing. Tests of the gate, of the
// sandbox around external programs and of the whole server take them from here.
//
// What lives here: making bytes. What may not: judging them, and anything that
// is harmful outside of a parser: the files name /etc/passwd and addresses that
// do not exist, and hold no code.
package hostile

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// When a gate can notice.
const (
	Open   = "open"   // by the file's structures
	Read   = "read"   // when the data is read
	Check  = "check"  // when the file is read whole
	Unpack = "unpack" // when it is unpacked
)

// File is one image. It implements io.ReaderAt.
type File struct {
	Name string
	Item string // the attack
	Code string // the refusal that must come; "" for a good file
	When string

	// What the one who imports says about it.
	Declared string
	Member   string
	MaxBytes int64

	Data []byte
	Size int64 // of the file; zeros follow Data
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (int, error) {
	if off >= f.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), f.Size-off))
	clear(b[:n])
	if off < int64(len(f.Data)) {
		copy(b[:n], f.Data[off:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteTo makes it a file, with a hole behind its data.
func (f *File) WriteTo(path string) error {
	if err := os.WriteFile(path, f.Data, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, f.Size)
}

// Files lists all images, the good ones too. They are made once; who changes one
// changes a copy.
var Files = sync.OnceValue(files)

func files() []*File {
	var all []*File
	for _, format := range []string{"raw", "qcow2", "vmdk", "vhd", "vhdx", "ova", "packed"} {
		all = append(all, Of(format)...)
	}
	return all
}

// Of makes the images of one format: raw, qcow2, vmdk, vhd, vhdx, ova, or packed
// for those that are compressed.
func Of(format string) []*File {
	all := map[string]func() []*File{"raw": raws, "qcow2": qcow2s, "vmdk": vmdks, "vhd": vhds, "vhdx": vhdxs, "ova": ovas, "packed": packed}[format]()
	for _, f := range all {
		if f.Size == 0 {
			f.Size = int64(len(f.Data))
		}
		if f.When == "" {
			f.When = Open
		}
	}
	return all
}

// Good lists the images that nothing is wrong with.
func Good() []*File {
	var good []*File
	for _, f := range Files() {
		if f.Code == "" {
			good = append(good, f)
		}
	}
	return good
}

// bytes that grow as they are written.
type image []byte

func (m *image) put(off int, b ...byte) {
	if need := off + len(b); need > len(*m) {
		*m = append(*m, make([]byte, need-len(*m))...)
	}
	copy((*m)[off:], b)
}

func (m *image) text(off int, s string)     { m.put(off, []byte(s)...) }
func (m *image) be32(off int, v uint32)     { m.put(off, be.AppendUint32(nil, v)...) }
func (m *image) be64(off int, v uint64)     { m.put(off, be.AppendUint64(nil, v)...) }
func (m *image) le16(off int, v uint16)     { m.put(off, le.AppendUint16(nil, v)...) }
func (m *image) le32(off int, v uint32)     { m.put(off, le.AppendUint32(nil, v)...) }
func (m *image) le64(off int, v uint64)     { m.put(off, le.AppendUint64(nil, v)...) }
func (m *image) size(n int)                 { m.put(n, nil...) }
func (m image) clone() image                { return append(image(nil), m...) }
func changed(m image, f func(*image)) image { c := m.clone(); f(&c); return c }

// noise is data that does not repeat and is the same every time.
func noise(n int, seed uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

func raws() []*File {
	boot := image(noise(64<<10, 1))
	boot.put(510, 0x55, 0xaa)
	head := func(s string) image { return changed(make(image, 4096), func(m *image) { m.text(0, s) }) }
	iso := changed(make(image, 64<<10), func(m *image) { m.text(0x8001, "CD001") })
	vdi := changed(make(image, 4096), func(m *image) { m.text(0x40, "\x7f\x10\xda\xbe") })
	dmg := changed(make(image, 4096), func(m *image) { m.text(4096-512, "koly\x00\x00\x00\x04") })
	masquerade := qcow2()
	masquerade.text(0x200, "/etc/passwd")
	masquerade.be64(8, 0x200)
	masquerade.be32(16, 11)
	masquerade.put(510, 0x55, 0xaa)
	return []*File{
		{Name: "good.raw", Item: "a disk", Data: boot},
		{Name: "empty.raw", Item: "an empty file", Code: "EMPTY_FILE"},
		{Name: "masquerade.raw", Item: "a raw disk that begins with a qcow2 header naming a file", Code: "QCOW2_BACKING_FILE", Data: masquerade, Size: 1 << 20},
		{Name: "masquerade-declared.raw", Item: "the same, declared as raw", Code: "FORMAT_MISMATCH", Declared: "raw", Data: masquerade, Size: 1 << 20},
		{Name: "sparse-4t.raw", Item: "4 TiB of nothing against a limit of 1 TiB", Code: "TOO_LARGE", MaxBytes: 1 << 40, Data: boot, Size: 4 << 40},
		{Name: "sparse-65t.raw", Item: "65 TiB of nothing", Code: "TOO_LARGE", Data: boot, Size: 65 << 40},
		{Name: "iso.raw", Item: "a CD", Code: "NOT_A_DISK", Data: iso},
		{Name: "elf.raw", Item: "a program", Code: "NOT_A_DISK", Data: head("\x7fELF\x02")},
		{Name: "error.html", Item: "an error page in place of the disk", Code: "NOT_A_DISK", Data: head("<!DOCTYPE html>")},
		{Name: "error.xml", Item: "an error of S3 in place of the disk", Code: "NOT_A_DISK", Data: head("<?xml version=\"1.0\"?><Error>")},
		{Name: "disk.wim", Item: "a WIM", Code: "NOT_A_DISK", Data: head("MSWIM\x00\x00\x00")},
		{Name: "disk.zip", Item: "a ZIP", Code: "ARCHIVE", Data: head("PK\x03\x04")},
		{Name: "disk.bz2", Item: "bzip2", Code: "ARCHIVE", Data: head("BZh9")},
		{Name: "disk.qed", Item: "QED, with a backing file of its own", Code: "UNKNOWN_FORMAT", Data: head("QED\x00")},
		{Name: "disk.vdi", Item: "VDI", Code: "UNKNOWN_FORMAT", Data: vdi},
		{Name: "disk.dmg", Item: "DMG", Code: "UNKNOWN_FORMAT", Data: dmg},
		{Name: "parallels.hdd", Item: "Parallels", Code: "UNKNOWN_FORMAT", Data: head("WithoutFreeSpace")},
		{Name: "luks.raw", Item: "a disk encrypted whole", Code: "ENCRYPTED_DISK", Data: head("LUKS\xba\xbe")},
	}
}
