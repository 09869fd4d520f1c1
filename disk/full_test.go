package disk

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"slipway/fault"
)

// allocated is how many bytes of a file take up space in [off, off+n).
func allocated(t *testing.T, path string, off, n int64) (sum int64) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	for at := off; at < off+n; {
		start, end, ok, err := nextData(f, at, off+n)
		must(t, err)
		if !ok || start >= off+n {
			return sum
		}
		sum += min(end, off+n) - start
		at = end
	}
	return sum
}

// A disk that fills up fails the block, leaves nothing of it, and the upload
// goes on when there is room again.
func TestDiskFullInTheMiddle(t *testing.T) {
	for _, point := range []string{"put-cleared", "put-written"} {
		dir := t.TempDir()
		s := dying(t, dir, "")
		must(t, s.CreateUpload(t.Context(), "u", 4))
		put(t, s, "u", 1, 1)
		put(t, s, "u", 3, 3)
		full := true
		s.crash = func(p string) error {
			if full && p == point {
				return syscall.ENOSPC
			}
			return nil
		}
		for _, i := range []int64{1, 2} {
			b, sum := testBlock(2)
			err := s.PutBlock(t.Context(), "u", i, b, sum)
			if !fault.Is(err, fault.Unavailable) || fault.Public(err) == "" {
				t.Errorf("%s: %v", point, err)
			}
		}
		if in, err := s.Upload("u"); err != nil || in.Present != 1 {
			t.Errorf("%s: %+v, %v", point, in, err)
		}
		raw := filepath.Join(dir, "uploads/u/disk/raw")
		if n := allocated(t, raw, 2*BlockSize, BlockSize); n != 0 {
			t.Errorf("%s: %d bytes of the refused block are left", point, n)
		}
		full = false
		put(t, s, "u", 1, 2)
		d, err := s.Seal(t.Context(), "u", nil)
		must(t, err)
		must(t, s.Verify(t.Context(), d.Digest, nil))
		if d.DataBytes != 2*BlockSize {
			t.Errorf("%s: %+v", point, d)
		}
	}
}

// The same on a file system of 8 MiB that is really full.
func TestFileSystemFullInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("slipway-test", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := dying(t, dir, "")
	s.spare = 0
	must(t, s.CreateUpload(t.Context(), "u", 64))
	free := func() int64 {
		var st syscall.Statfs_t
		must(t, syscall.Statfs(dir, &st))
		return int64(st.Bavail) * st.Bsize
	}
	// Not a multiple of a block: the write that does not fit is cut short.
	must(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 700<<10), 0o600))
	var stored int64
	var err error
	for ; stored < 64 && err == nil; stored++ {
		before := free()
		b, sum := testBlock(byte(stored + 1))
		if err = s.PutBlock(t.Context(), "u", stored, b, sum); err == nil {
			continue
		}
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("block %d: %v", stored, err)
		}
		if after := free(); after < before {
			t.Errorf("the refused block keeps %d bytes", before-after)
		}
		if n := allocated(t, filepath.Join(dir, "uploads/u/disk/raw"), stored*BlockSize, BlockSize); n != 0 {
			t.Errorf("%d bytes of the refused block are left", n)
		}
		break
	}
	if err == nil || stored < 4 {
		t.Fatalf("%d blocks fit: %v", stored, err)
	}
	if in, err := s.Upload("u"); err != nil || in.Present != stored {
		t.Errorf("%+v, %v: %d were stored", in, err, stored)
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	put(t, s, "u", stored, byte(stored+1))
	d, err := s.Seal(t.Context(), "u", nil)
	must(t, err)
	must(t, s.Verify(t.Context(), d.Digest, nil))
	if d.DataBytes != (stored+1)*BlockSize {
		t.Errorf("%+v after %d blocks", d, stored+1)
	}
}
