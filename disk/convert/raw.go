package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// hole is the smallest stretch of zeros that is left out.
const hole = 64 << 10

var zeros [hole]byte

// copyRaw writes a sparse copy: holes stay holes and zeros become holes.
func (j *job) copyRaw(ctx context.Context) (string, error) {
	path := filepath.Join(j.dir, "disk.raw")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	err = f.Truncate(j.size)
	if err == nil {
		err = j.copyData(ctx, f)
	}
	return path, errors.Join(err, f.Close())
}

func (j *job) copyData(ctx context.Context, w io.WriterAt) error {
	buf := make([]byte, 16*hole)
	var done int64
	for e, err := range j.src.Extents(0) {
		if err != nil {
			return err
		}
		for off := e.Off; off < e.Off+e.Len; {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(int64(len(buf)), e.Off+e.Len-off)]
			if _, err := j.src.ReadAt(b, off); err != nil {
				return err
			}
			if err := writeSparse(w, b, off); err != nil {
				return err
			}
			off += int64(len(b))
			done += int64(len(b))
			j.notify(done*full*9/10/max(1, j.data), full, "copying")
		}
	}
	return nil
}

// writeSparse writes b but for its stretches of zeros.
func writeSparse(w io.WriterAt, b []byte, off int64) error {
	for start := 0; start < len(b); {
		end := start
		for end < len(b) && !bytes.Equal(b[end:min(len(b), end+hole)], zeros[:min(len(b)-end, hole)]) {
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
