package disk

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"slipway/fault"
)

var errCrash = errors.New("the process died here")

func testBlock(fill byte) ([]byte, [32]byte) {
	b := make([]byte, BlockSize)
	for i := range b {
		b[i] = fill
	}
	return b, sha256.Sum256(b)
}

// dying opens a store that fails at one point and does nothing more after it.
func dying(t *testing.T, dir, point string) *Store {
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	dead := false
	s.crash = func(p string) error {
		if dead = dead || p == point; dead {
			return errCrash
		}
		return nil
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s *Store, id string, i int64, fill byte) {
	t.Helper()
	b, sum := testBlock(fill)
	must(t, s.PutBlock(t.Context(), id, i, b, sum))
}

// A seal that dies anywhere is finished by sealing again in the next life, with
// the same result, whether or not the content exists already.
func TestSealSurvivesCrashes(t *testing.T) {
	for _, twin := range []bool{false, true} {
		for _, point := range []string{"leaves-written", "data-synced", "decided", "renamed", "published"} {
			if twin && point == "renamed" {
				continue // nothing is renamed when the content exists
			}
			t.Run(point, func(t *testing.T) {
				dir := t.TempDir()
				s := dying(t, dir, "")
				if twin {
					must(t, s.CreateUpload(t.Context(), "twin", 4))
					put(t, s, "twin", 2, 7)
					_, err := s.Seal(t.Context(), "twin", nil)
					must(t, err)
					must(t, s.DropUpload(t.Context(), "twin"))
				}
				s = dying(t, dir, point)
				must(t, s.CreateUpload(t.Context(), "u", 4))
				put(t, s, "u", 2, 7)
				put(t, s, "u", 3, 0)
				if _, err := s.Seal(t.Context(), "u", nil); !errors.Is(err, errCrash) {
					t.Fatalf("the seal did not reach %s: %v", point, err)
				}
				s = dying(t, dir, "")
				in, err := s.Upload("u")
				if err != nil || in.Present != 2 || in.Blocks != 4 {
					t.Errorf("after the crash: %+v, %v", in, err)
				}
				first, err := s.Seal(t.Context(), "u", nil)
				must(t, err)
				again, err := dying(t, dir, "").Seal(t.Context(), "u", nil)
				if err != nil || again != first {
					t.Errorf("sealing again: %+v, %v; first %+v", again, err, first)
				}
				must(t, s.Verify(t.Context(), first.Digest, nil))
				if ds, _ := s.Sealed(); len(ds) != 1 {
					t.Errorf("%d disks", len(ds))
				}
				if left, _ := os.ReadDir(filepath.Join(dir, "uploads/u/disk")); len(left) != 0 {
					t.Errorf("bytes are left in the upload: %v", left)
				}
			})
		}
	}
}

// A put that dies leaves the block absent, never a leaf for other bytes, and
// what it wrote does not reach the sealed disk.
func TestPutSurvivesCrashes(t *testing.T) {
	for _, point := range []string{"put-cleared", "put-written"} {
		for _, before := range []bool{false, true} {
			dir := t.TempDir()
			s := dying(t, dir, "")
			must(t, s.CreateUpload(t.Context(), "u", 4))
			put(t, s, "u", 0, 1)
			if before {
				put(t, s, "u", 2, 2)
			}
			s = dying(t, dir, point)
			b, sum := testBlock(3)
			if err := s.PutBlock(t.Context(), "u", 2, b, sum); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			s = dying(t, dir, "")
			if in, err := s.Upload("u"); err != nil || in.Present != 1 {
				t.Errorf("%s: %+v, %v", point, in, err)
			}
			d, err := s.Seal(t.Context(), "u", nil)
			must(t, err)
			must(t, s.Verify(t.Context(), d.Digest, nil))
			if d.DataBytes != BlockSize {
				t.Errorf("%s: the dead block shows: %+v", point, d)
			}
		}
	}
}

// After the host restarted, a leaf may be there without its bytes.
func TestPowerLossForgetsLostBlocks(t *testing.T) {
	dir := t.TempDir()
	s := dying(t, dir, "")
	must(t, s.CreateUpload(t.Context(), "u", 4))
	for i := range int64(4) {
		put(t, s, "u", i, byte(i))
	}
	f, err := os.OpenFile(filepath.Join(dir, "uploads/u/disk/raw"), os.O_RDWR, 0)
	must(t, err)
	must(t, punch(f, 2*BlockSize, BlockSize))
	must(t, f.Close())
	s = dying(t, dir, "")
	if in, _ := s.Upload("u"); in.Present != 4 {
		t.Fatalf("the same boot hashed everything again: %+v", in)
	}
	s = dying(t, dir, "")
	s.boot = "another boot"
	if in, err := s.Upload("u"); err != nil || in.Present != 3 {
		t.Errorf("after the restart: %+v, %v", in, err)
	}
	put(t, s, "u", 2, 2)
	d, err := s.Seal(t.Context(), "u", nil)
	must(t, err)
	must(t, s.Verify(t.Context(), d.Digest, nil))
}

func TestOpenClearsTmp(t *testing.T) {
	dir := t.TempDir()
	dying(t, dir, "")
	must(t, os.MkdirAll(filepath.Join(dir, "tmp/1-1/disk"), 0o700))
	dying(t, dir, "")
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("tmp still has %v", left)
	}
}

func TestDiskFullIsUnavailable(t *testing.T) {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		err := ioFault(&os.PathError{Op: "write", Path: "x", Err: e}, "The block could not be stored.")
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Hint == "" || f.Code != "disk-full" {
			t.Errorf("%v became %v", e, err)
		}
	}
}

// TestMain lets the test binary be the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SLIPWAY_TEST_UPLOAD"); dir != "" {
		os.Exit(uploadForever(dir))
	}
	os.Exit(m.Run())
}

// uploadForever puts blocks and tells each one that was acknowledged.
func uploadForever(dir string) int {
	s, err := Open(dir)
	if err != nil {
		return 1
	}
	for i := int64(0); ; i = (i + 7) % 64 {
		b, sum := testBlock(byte(i + 1))
		if s.PutBlock(context.Background(), "u", i, b, sum) != nil {
			return 1
		}
		fmt.Println(i)
	}
}

// What was acknowledged before a kill -9 is there after it, and everything
// that counts as present has the right bytes.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	must(t, dying(t, dir, "").CreateUpload(t.Context(), "u", 64))
	acked := map[string]bool{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{"SLIPWAY_TEST_UPLOAD=" + dir}
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for range 3 + 5*round {
			if !lines.Scan() {
				t.Fatal("the uploader stopped by itself")
			}
			acked[lines.Text()] = true
		}
		must(t, cmd.Process.Kill())
		for lines.Scan() { // what it still said before it died
			acked[lines.Text()] = true
		}
		_ = cmd.Wait()
	}
	s := dying(t, dir, "")
	in, err := s.Upload("u")
	if err != nil || in.Present < int64(len(acked)) || in.Present > 64 {
		t.Errorf("%d acknowledged, %+v, %v", len(acked), in, err)
	}
	d, err := s.Seal(t.Context(), "u", nil)
	must(t, err)
	must(t, s.Verify(t.Context(), d.Digest, nil))
	for a := range acked {
		var i int64
		_, err := fmt.Sscan(a, &i)
		must(t, err)
		_, want := testBlock(byte(i + 1))
		if _, sum, err := s.ReadBlock(t.Context(), d.Digest, i); err != nil || sum != want {
			t.Errorf("block %d was acknowledged and is lost: %v", i, err)
		}
	}
}
