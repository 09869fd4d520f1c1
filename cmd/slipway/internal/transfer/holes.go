package transfer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

const (
	seekData = 3 // Linux
	seekHole = 4
)

// holes is a file that knows its holes, where the operating system tells.
type holes struct {
	*os.File
	size int64
}

// NextData implements gate.Sparse.
func (h holes) NextData(off int64) (start, end int64, err error) {
	if runtime.GOOS != "linux" {
		return off, h.size, nil
	}
	start, err = h.Seek(off, seekData)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return h.size, h.size, io.EOF // only a hole is left
	case errors.Is(err, syscall.EINVAL): // a file system that does not tell
		return off, h.size, nil
	case err != nil:
		return 0, 0, fmt.Errorf("find data in %s: %w", h.Name(), err)
	}
	if end, err = h.Seek(start, seekHole); err != nil {
		return 0, 0, fmt.Errorf("find holes in %s: %w", h.Name(), err)
	}
	return start, min(end, h.size), nil
}
