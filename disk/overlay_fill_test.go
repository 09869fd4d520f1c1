package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"slipway/fault"
)

// changed makes a base of a few blocks, an overlay over it that is larger, and
// changes in the overlay as QEMU makes them. merged is what a guest sees, made by
// qemu-img.
func changed(t *testing.T, s *Store, onNothing bool) (merged string) {
	t.Helper()
	const blocks, size = 16, 40 * BlockSize
	var base Digest
	image := "driver=qcow2,file.filename=" + s.at(overlaysDir, "o", qcow2File)
	if !onNothing {
		must(t, s.CreateUpload(t.Context(), "base", blocks))
		rng := rand.New(rand.NewPCG(1, 2))
		for i := int64(0); i < blocks; i += 1 + i%3 {
			b := make([]byte, BlockSize)
			for j := int(i%4) << 16; j < len(b); j++ { // some begin with a hole
				b[j] = byte(rng.Uint32())
			}
			must(t, s.PutBlock(t.Context(), "base", i, b, sumOf(b)))
		}
		sealed, err := s.Seal(t.Context(), "base", nil)
		must(t, err)
		must(t, s.DropUpload(t.Context(), "base"))
		base = sealed.Digest
		image += ",backing.driver=raw,backing.file.filename=" + s.Path(base)
	}
	if _, err := s.CreateOverlay(t.Context(), "o", base, size); err != nil {
		t.Fatal(err)
	}
	args := []string{"--image-opts", image}
	for _, c := range []string{
		"write -P 0xab 0 512", "write -P 0xcd 600k 5k", "write -z 1M 64k", "write -z 2M 512k", "discard 4M 1M",
		fmt.Sprintf("write -P 0 %d 512k", 6<<20), "write -P 0x11 7900k 700k", "write -z 12M 1M", fmt.Sprintf("write -P 0x22 %d 512", size-512), "write -P 0 14M 64k",
	} {
		args = append(args, "-c", c)
	}
	if out, err := exec.Command("qemu-io", args...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("failed")) {
		t.Fatalf("qemu-io: %v: %s", err, out)
	}
	merged = filepath.Join(t.TempDir(), "merged.raw")
	if out, err := exec.Command("qemu-img", "convert", "--image-opts", image, "-O", "raw", merged).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, out)
	}
	return merged
}

// seal fills an upload from the overlay and seals it.
func sealOverlay(t *testing.T, s *Store) (Sealed, error) {
	t.Helper()
	must(t, s.CreateUpload(t.Context(), "u", 40))
	last := int64(-1)
	err := s.FillFromOverlay(t.Context(), "u", "o", func(done, total int64) {
		if done < last || done > total {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		return Sealed{}, err
	}
	return s.Seal(t.Context(), "u", nil)
}

// same wants a sealed disk to be what qemu-img made, block for block.
func sameAs(t *testing.T, s *Store, sealed Sealed, merged string) {
	t.Helper()
	f, err := OpenSparse(merged)
	must(t, err)
	defer f.Close()
	want, err := Sum(t.Context(), f, 40*BlockSize, nil)
	must(t, err)
	if sealed != want {
		t.Errorf("sealed %+v, qemu-img says %+v", sealed, want)
	}
	must(t, s.Verify(t.Context(), sealed.Digest, nil))
	a, err := os.ReadFile(s.Path(sealed.Digest))
	must(t, err)
	b, err := os.ReadFile(merged)
	must(t, err)
	if !bytes.Equal(a, b) {
		t.Error("the bytes differ")
	}
}

func TestFillFromOverlay(t *testing.T) {
	for _, onNothing := range []bool{false, true} {
		s, err := Open(t.TempDir())
		must(t, err)
		merged := changed(t, s, onNothing)
		sealed, err := sealOverlay(t, s)
		must(t, err)
		sameAs(t, s, sealed, merged)
		st, err := os.Stat(s.Path(sealed.Digest))
		must(t, err)
		if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > sealed.DataBytes+64<<10 { // the file's own tables
			t.Errorf("%d bytes of data take %d", sealed.DataBytes, used)
		}
		if err := s.FillFromOverlay(t.Context(), "u", "o", nil); !fault.Is(err, fault.WrongState) {
			t.Errorf("after the seal: %v", err)
		}
		must(t, s.DropUpload(t.Context(), "u"))
		must(t, s.CreateUpload(t.Context(), "small", 39))
		for id, kind := range map[string]fault.Kind{"small": fault.BadValue, "none": fault.NotFound} {
			if err := s.FillFromOverlay(t.Context(), id, "o", nil); !fault.Is(err, kind) {
				t.Errorf("%s: %v", id, err)
			}
		}
		if err := s.FillFromOverlay(t.Context(), "small", "none", nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("no overlay: %v", err)
		}
	}
}

// TestFillSurvivesCrashes: a fill that dies anywhere is finished in the next life,
// over whatever it had written.
func TestFillSurvivesCrashes(t *testing.T) {
	for _, point := range []string{"adopted", "put-cleared", "put-written"} {
		for after := range 3 { // at the first, second and third time
			dir := t.TempDir()
			s, err := Open(dir)
			must(t, err)
			merged := changed(t, s, false)
			dead, n := false, 0
			s.crash = func(p string) error {
				if p == point {
					n++
				}
				if dead = dead || n > after; dead {
					return errCrash
				}
				return nil
			}
			if _, err := sealOverlay(t, s); !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", point, err)
			}
			if s, err = Open(dir); err != nil {
				t.Fatal(err)
			}
			sealed, err := sealOverlay(t, s)
			must(t, err)
			sameAs(t, s, sealed, merged)
		}
	}
}

// TestFillNotices damage of what lies below, and of the overlay's own tables.
func TestFillNotices(t *testing.T) {
	s, err := Open(t.TempDir())
	must(t, err)
	changed(t, s, false)
	_, base, _, err := s.Overlay("o")
	must(t, err)
	spoil(t, s, base, 1<<10) // in a block that the overlay has a part of
	if _, err := sealOverlay(t, s); !fault.Is(err, fault.Internal) {
		t.Errorf("damage below: %v", err)
	}
	path := s.at(overlaysDir, "o", qcow2File)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xee}, 4096), 3*clusterSize); err != nil { // the L1 table
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := sealOverlay(t, s); !fault.Is(err, fault.Internal) {
		t.Errorf("a damaged overlay: %v", err)
	}
}
