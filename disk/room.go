package disk

import (
	"os"
	"path/filepath"
	"syscall"
)

// minFree is left to the rest of the server, in bytes: its database and its log
// of calls share the disk, and when they cannot be written any more, nothing can
// be removed either.
const minFree = 64 << 20

// room says ENOSPC when the file system of dir has less than spare bytes left.
func room(dir string, spare int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return err
	}
	if int64(st.Bavail)*st.Bsize < spare {
		return &os.PathError{Op: "write", Path: dir, Err: syscall.ENOSPC}
	}
	return nil
}

// SparingFile is a file beside the database that is full, to who writes it, when
// the disk is nearly so.
type SparingFile struct {
	*os.File
	unasked int64
}

// WriteAt implements io.WriterAt; ENOSPC before the disk is really full.
func (f *SparingFile) WriteAt(b []byte, off int64) (int, error) {
	const often = 1 << 20
	if f.unasked -= int64(len(b)); f.unasked < 0 {
		if err := room(filepath.Dir(f.Name()), minFree); err != nil {
			return 0, err
		}
		f.unasked = often
	}
	return f.File.WriteAt(b, off)
}
