package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

const blockSize = 512 << 10

// Disk is what a journey uploads.
type Disk struct {
	GiB    int64
	Blocks map[int64][]byte // those that are not all zeros
	Free   int64            // a block that no file system uses
}

// ReadDisk reads a raw disk. free says which block of it may hold anything.
func ReadDisk(path string, free int64) (Disk, error) {
	f, err := os.Open(path)
	if err != nil {
		return Disk{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Disk{}, err
	}
	d := Disk{GiB: st.Size() >> 30, Blocks: map[int64][]byte{}, Free: free}
	zeros := make([]byte, blockSize)
	const seekData = 3 // of lseek(2)
	for off := int64(0); off < st.Size(); {
		data, err := f.Seek(off, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break
		}
		if err != nil {
			return Disk{}, err
		}
		i := data / blockSize
		b := make([]byte, blockSize)
		if _, err := f.ReadAt(b, i*blockSize); err != nil && !errors.Is(err, io.EOF) {
			return Disk{}, err
		}
		if !bytes.Equal(b, zeros) {
			d.Blocks[i] = b
		}
		off = (i + 1) * blockSize
	}
	if d.Blocks[free] != nil {
		return Disk{}, fmt.Errorf("block %d of %s is in use", free, path)
	}
	return d, nil
}
