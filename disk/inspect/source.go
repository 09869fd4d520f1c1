package inspect

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/diskfs/go-diskfs/backend"

	"slipway/disk/gate"
)

// source is the bytes of a disk.
type source struct {
	io.ReaderAt
	size    int64
	hasData func() bool // false: every byte is zero for certain
}

// raw takes a file as the disk.
func raw(f *os.File) (source, error) {
	st, err := f.Stat()
	if err != nil {
		return source{}, err
	}
	return source{f, st.Size(), func() bool {
		// A file system that cannot say says yes.
		const seekData = 3 // lseek(2)
		_, err := f.Seek(0, seekData)
		return !errors.Is(err, syscall.ENXIO)
	}}, nil
}

// mapped takes a file of any format that the gate reads.
func mapped(f *os.File) (source, error) {
	st, err := f.Stat()
	if err != nil {
		return source{}, err
	}
	d, err := gate.Open(f, st.Size(), gate.Options{})
	if err != nil {
		return source{}, err
	}
	if d.Format == gate.Raw && len(d.Chain) == 1 {
		return raw(f)
	}
	r, err := d.ReaderAt()
	if err != nil {
		return source{}, err
	}
	return source{r, d.VirtualSize, func() bool {
		for range d.Extents(0) {
			return true
		}
		return false
	}}, nil
}

// readOnly is a disk as go-diskfs wants one.
type readOnly struct{ *io.SectionReader }

func (r *readOnly) Stat() (fs.FileInfo, error)            { return diskInfo{r.Size()}, nil }
func (*readOnly) Close() error                            { return nil }
func (*readOnly) Sys() (*os.File, error)                  { return nil, backend.ErrNotSuitable }
func (*readOnly) Writable() (backend.WritableFile, error) { return nil, backend.ErrIncorrectOpenMode }
func (*readOnly) Path() string                            { return "" }

// diskInfo says how large a disk is, and nothing else.
type diskInfo struct{ size int64 }

func (diskInfo) Name() string       { return "disk" }
func (d diskInfo) Size() int64      { return d.size }
func (diskInfo) Mode() fs.FileMode  { return 0o400 }
func (diskInfo) ModTime() time.Time { return time.Time{} }
func (diskInfo) IsDir() bool        { return false }
func (diskInfo) Sys() any           { return nil }
