package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"slipway/disk"
)

// copyRaw writes a sparse copy, where holes stay holes and zeros become holes.
func (j *job) copyRaw(ctx context.Context) (path string, err error) {
	path = filepath.Join(j.dir, "disk.raw")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(j.size); err != nil {
		return "", err
	}
	buf, done := make([]byte, 1<<20), int64(0)
	for e, err := range j.src.Extents(0) {
		for off := e.Off; err == nil && off < e.Off+e.Len; {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			part := buf[:min(int64(len(buf)), e.Off+e.Len-off)]
			if _, err = j.src.ReadAt(part, off); err == nil {
				err = disk.WriteSparse(f, part, off)
			}
			off += int64(len(part))
			done += int64(len(part))
			j.notify(min(full, done*full/max(1, j.data))*9/10, full, "copying")
		}
		if err != nil {
			return "", err
		}
	}
	return path, nil
}
