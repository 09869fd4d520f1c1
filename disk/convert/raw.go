package convert

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"slipway/disk"
)

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
	buf := make([]byte, 1<<20)
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
			if err := disk.WriteSparse(w, b, off); err != nil {
				return err
			}
			off += int64(len(b))
			done += int64(len(b))
			j.notify(done*full*9/10/max(1, j.data), full, "copying")
		}
	}
	return nil
}
