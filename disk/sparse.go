package disk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"slipway/fault"
)

const (
	seekData = 3 // SEEK_DATA of lseek(2)
	seekHole = 4 // SEEK_HOLE

	fallocKeepSize  = 1 // FALLOC_FL_KEEP_SIZE of fallocate(2)
	fallocPunchHole = 2 // FALLOC_FL_PUNCH_HOLE
)

// WriteSparse writes b but for its stretches of zeros, into a file that reads as
// zeros there.
func WriteSparse(w io.WriterAt, b []byte, off int64) error {
	const hole = 64 << 10 // the smallest stretch that is left out
	for start := 0; start < len(b); {
		end := start
		for end < len(b) && !isZero(b[end:min(len(b), end+hole)]) {
			end = min(len(b), end+hole)
		}
		if end > start {
			if _, err := w.WriteAt(b[start:end], off+int64(start)); err != nil {
				return err
			}
		}
		start = end + hole
	}
	return nil
}

func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }

// punch frees [off, off+n) of f; it reads as zeros afterwards. File systems
// that cannot free space get zeros written instead.
func punch(f *os.File, off, n int64) error {
	err := syscall.Fallocate(int(f.Fd()), fallocKeepSize|fallocPunchHole, off, n)
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		return err
	}
	for n > 0 {
		c := min(n, int64(len(zeroBlock)))
		if _, err := f.WriteAt(zeroBlock[:c], off); err != nil {
			return err
		}
		off, n = off+c, n-c
	}
	return nil
}

// nextData finds the first stretch of allocated bytes of f at or after off;
// ok is false when only a hole follows. size is the file's size.
func nextData(f *os.File, off, size int64) (start, end int64, ok bool, err error) {
	if off >= size {
		return 0, 0, false, nil
	}
	start, err = f.Seek(off, seekData)
	if errors.Is(err, syscall.ENXIO) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	end, err = f.Seek(start, seekHole)
	return start, end, err == nil && start < end, err
}

// walkLeaves calls fn for every leaf at or after index from that is not
// noLeaf, in order, until fn says stop. Holes of the file cost nothing.
// The file's read offset moves, so f must not be shared.
func walkLeaves(ctx context.Context, f *os.File, from, blocks int64, fn func(i int64, l leaf) (more bool, err error)) error {
	size := blocks * leafSize
	buf := make([]byte, 2048*leafSize)
	for off := from * leafSize; off < size; {
		start, end, ok, err := nextData(f, off, size)
		if err != nil || !ok {
			return err
		}
		start, end = max(off, start-start%leafSize), min(end, size)
		for start < end {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := f.ReadAt(buf[:min(int64(len(buf)), size-start)], start)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if n < leafSize {
				return io.ErrUnexpectedEOF
			}
			n -= n % leafSize
			for p := 0; p < n; p += leafSize {
				l := leaf(buf[p : p+leafSize])
				if l == noLeaf {
					continue
				}
				if more, err := fn((start+int64(p))/leafSize, l); err != nil || !more {
					return err
				}
			}
			start += int64(n)
		}
		off = start
	}
	return nil
}

// syncDir makes names in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// writeJSON puts v under path by a rename, durably. The name in between is
// always the same, so that a kill leaves nothing that a repetition does not
// take away; no two goroutines write the same path.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed
	defer f.Close()
	if _, err = f.Write(append(b, '\n')); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ioFault classifies what the operating system said; what is the public
// sentence. It keeps an error that is classified already.
func ioFault(err error, what string) error {
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Canceled, err, "%s", what)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(fault.Unavailable, err, "%s The server's disk is full.", what).
			WithHint("Free space in the data directory or delete images and snapshots that are no longer needed, then try again.").
			WithCode("disk-full")
	case errors.Is(err, syscall.EFBIG):
		return fault.Wrap(fault.Unavailable, err, "%s The file system cannot hold a file of this size.", what).
			WithHint("Put the data directory on a file system with larger files, for example XFS.")
	}
	return fault.Wrap(fault.Internal, err, "%s", what)
}
