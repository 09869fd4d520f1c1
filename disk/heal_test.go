package disk

import (
	"errors"
	"os"
	"testing"
	"time"

	"slipway/fault"
)

// spoil damages a byte of a sealed disk.
func spoil(t *testing.T, s *Store, d Digest, at int64) {
	t.Helper()
	must(t, os.Chmod(s.Path(d), 0o600))
	f, err := os.OpenFile(s.Path(d), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte{0xee}, at)
	must(t, err)
}

// A disk that was found damaged is replaced by the next seal of its content, also
// when that dies in between; one that was not is kept.
func TestSealHeals(t *testing.T) {
	for _, point := range []string{"", "damaged-gone", "renamed", "published"} {
		dir := t.TempDir()
		s := dying(t, dir, "none")
		d := sealOf(t, s, "a", 8, map[int64]byte{2: 7})
		spoil(t, s, d.Digest, 2*BlockSize)
		c, err := s.Check(t.Context(), d.Digest, Checking{Now: time.Now})
		if err != nil || c.Damage == "" || c.At.IsZero() {
			t.Fatalf("%+v %v", c, err)
		}
		if have, err := s.Checked(d.Digest); err != nil || have.Damage != c.Damage {
			t.Errorf("%+v %v", have, err)
		}
		s = dying(t, dir, point)
		if point == "" {
			s = dying(t, dir, "none")
		}
		must(t, s.CreateUpload(t.Context(), "b", 8))
		b, sum := testBlock(7)
		must(t, s.PutBlock(t.Context(), "b", 2, b, sum))
		if _, err := s.Seal(t.Context(), "b", nil); point != "" && !errors.Is(err, errCrash) || point == "" && err != nil {
			t.Fatalf("%s: %v", point, err)
		}
		s = dying(t, dir, "none")
		got, err := s.Seal(t.Context(), "b", nil)
		if err != nil || got.Digest != d.Digest {
			t.Errorf("%s: %+v %v", point, got, err)
		}
		must(t, s.Verify(t.Context(), d.Digest, nil))
		if c, err := s.Checked(d.Digest); err != nil || c.Damage != "" {
			t.Errorf("%s: still said to be damaged: %+v %v", point, c, err)
		}
	}
}

// Whatever part of a disk is spoilt, Check says so and is no error.
func TestCheckFinds(t *testing.T) {
	for name, harm := range map[string]func(s *Store, d Digest) error{
		"a block":    func(s *Store, d Digest) error { spoil(t, s, d, 2*BlockSize+9); return nil },
		"a hole":     func(s *Store, d Digest) error { spoil(t, s, d, 5*BlockSize); return nil },
		"the length": func(s *Store, d Digest) error { return os.Truncate(s.Path(d), 3*BlockSize) },
		"no raw":     func(s *Store, d Digest) error { return os.Remove(s.Path(d)) },
		"no leaves":  func(s *Store, d Digest) error { return os.Remove(s.sealedAt(d, leavesFile)) },
		"another size": func(s *Store, d Digest) error {
			return writeJSON(s.sealedAt(d, diskFile), diskMeta{1, 16 * BlockSize, BlockSize})
		},
		"no words": func(s *Store, d Digest) error { return os.WriteFile(s.sealedAt(d, diskFile), []byte("{"), 0o600) },
		"other leaves": func(s *Store, d Digest) error {
			os.Chmod(s.sealedAt(d, leavesFile), 0o600)
			return os.WriteFile(s.sealedAt(d, leavesFile), make([]byte, 8*leafSize), 0o600)
		},
	} {
		s := dying(t, t.TempDir(), "none")
		d := sealOf(t, s, "a", 8, map[int64]byte{2: 7})
		must(t, harm(s, d.Digest))
		c, err := s.Check(t.Context(), d.Digest, Checking{Now: time.Now})
		if err != nil || c.Damage == "" {
			t.Errorf("%s: %+v %v", name, c, err)
		}
		if have, err := s.Checked(d.Digest); err != nil || have.Damage != c.Damage {
			t.Errorf("%s: %+v %v", name, have, err)
		}
	}
	s := dying(t, t.TempDir(), "none")
	if _, err := s.Check(t.Context(), Digest{1}, Checking{Now: time.Now}); !fault.Is(err, fault.NotFound) {
		t.Errorf("no such disk: %v", err)
	}
}

// A directory of a newer program is refused in plain words and left as it is.
func TestNewerLayout(t *testing.T) {
	dir := t.TempDir()
	s := dying(t, dir, "none")
	must(t, os.Mkdir(s.at(tmpDir, "left"), 0o700))
	must(t, os.WriteFile(s.at(layoutFile), []byte(`{"layout":99}`), 0o600))
	_, err := Open(dir)
	if !fault.Is(err, fault.Incompatible) || fault.Public(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(s.at(tmpDir, "left")); err != nil {
		t.Error("it was cleaned all the same")
	}
}
