package convert

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"slipway/disk"
)

// copyRaw writes a sparse copy, where holes stay holes and zeros become holes,
// and hashes what it reads on the way.
func (j *job) copyRaw(ctx context.Context) (path string, read disk.Digest, err error) {
	path = filepath.Join(j.dir, "disk.raw")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", read, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(j.size); err != nil {
		return "", read, err
	}
	var done int64
	sum, err := disk.Sum(ctx, j.src, j.size, func(i int64, block []byte, _ [32]byte) error {
		off := i * disk.BlockSize
		done += disk.BlockSize
		j.notify(min(full, done*full/max(1, j.data))*9/10, full, "copying")
		return disk.WriteSparse(f, block[:min(disk.BlockSize, j.size-off)], off)
	})
	return path, sum.Digest, err
}
