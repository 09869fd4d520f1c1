package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// source is a raw disk to be read.
type source struct {
	*os.File
	size  int64
	mtime time.Time
}

// maxDisk is the largest volume EBS has.
const maxDisk = 64 << 40

// openSource opens a raw disk and refuses everything that is none.
func openSource(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := vet(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func vet(f *os.File, path string) (*source, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, refusal("%s is not a file: give a raw disk image", path)
	case info.Size() == 0:
		return nil, refusal("%s is empty: give a raw disk image", path)
	case info.Size() > maxDisk:
		return nil, refusal("%s has more than 64 TiB, the largest volume there is", path)
	}
	format, err := formatOf(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if format.refuse != "" {
		return nil, refusal("%s is %s, not a raw disk: %s", path, format.name, format.refuse)
	}
	return &source{File: f, size: info.Size(), mtime: info.ModTime()}, nil
}

type format struct{ name, refuse string }

const (
	convert = "convert it with qemu-img convert -O raw"
	unpack  = "unpack it first"
)

// magics are the signatures of what people try to push; off < 0 counts from
// the end.
var magics = []struct {
	off   int64
	magic string
	format
}{
	{0, "QFI\xfb", format{"a qcow2 image", convert}},
	{0, "KDMV", format{"a VMDK image", convert}},
	{0, "COWD", format{"a VMDK image", convert}},
	{0, "# Disk DescriptorFile", format{"a VMDK description", convert}},
	{0, "vhdxfile", format{"a VHDX image", convert}},
	{0, "conectix", format{"a VHD image", convert}},
	{-512, "conectix", format{"a VHD image", convert}},
	{0x40, "\x7f\x10\xda\xbe", format{"a VDI image", convert}},
	{0, "QED\x00", format{"a QED image", convert}},
	{0, "\x1f\x8b", format{"compressed by gzip", unpack}},
	{0, "\xfd7zXZ\x00", format{"compressed by xz", unpack}},
	{0, "\x28\xb5\x2f\xfd", format{"compressed by zstd", unpack}},
	{0, "BZh", format{"compressed by bzip2", unpack}},
	{0, "PK\x03\x04", format{"a ZIP archive", unpack}},
	{0, "MSWIM\x00\x00\x00", format{"a WIM archive", "it holds files and no disk; install it onto one"}},
	{257, "ustar", format{"a tar archive (OVA)", unpack + " and convert the disk in it with qemu-img convert -O raw"}},
}

// formatOf recognises what is no raw disk. A partition table wins over a
// signature that a boot sector may hold by chance.
func formatOf(f io.ReaderAt, size int64) (format, error) {
	head := make([]byte, min(size, 1024))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return format{}, err
	}
	tail := make([]byte, min(size, 512))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return format{}, err
	}
	bootSector := len(head) >= 512 && binary.LittleEndian.Uint16(head[510:]) == 0xaa55
	for _, m := range magics {
		in, off := head, m.off
		if off < 0 {
			in, off = tail, int64(len(tail))+off
		} else if bootSector && off > 0 || bootSector && len(m.magic) < 4 {
			continue
		}
		if off >= 0 && off <= int64(len(in)) && bytes.HasPrefix(in[off:], []byte(m.magic)) {
			return m.format, nil
		}
	}
	return format{}, nil
}

// span is a run of blocks that may hold data.
type span struct{ first, end int }

const (
	seekData = 3 // Linux
	seekHole = 4
)

// spans lists the runs of blocks that are not holes, in order and apart.
func (s *source) spans() ([]span, error) {
	all := []span{{0, blocksOf(s.size)}}
	if runtime.GOOS != "linux" {
		return all, nil
	}
	var out []span
	for at := int64(0); at < s.size; {
		data, err := s.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break // only a hole is left
		}
		if errors.Is(err, syscall.EINVAL) {
			return all, nil // a file system that does not tell
		}
		if err != nil {
			return nil, fmt.Errorf("find data in %s: %w", s.Name(), err)
		}
		hole, err := s.Seek(data, seekHole)
		if err != nil {
			return nil, fmt.Errorf("find holes in %s: %w", s.Name(), err)
		}
		hole = min(hole, s.size)
		n := span{int(data / BlockSize), blocksOf(hole)}
		if last := len(out) - 1; last >= 0 && n.first <= out[last].end {
			out[last].end = n.end
		} else {
			out = append(out, n)
		}
		at = hole
	}
	return out, nil
}

// readBlock fills buf with a block, zeros beyond the end of the disk.
func (s *source) readBlock(i int, buf []byte) error {
	n, err := s.ReadAt(buf, int64(i)*BlockSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	clear(buf[n:])
	return nil
}

// unchanged refuses to believe an upload of a disk that was written to
// meanwhile: what arrived may be half old and half new.
func (s *source) unchanged() error {
	info, err := s.Stat()
	if err != nil {
		return err
	}
	if info.Size() != s.size || !info.ModTime().Equal(s.mtime) {
		return refusal("%s was changed while it was read: stop whatever writes to it and push it again", s.Name())
	}
	return nil
}
