package disk_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/disk"
	"slipway/disk/disktest"
	"slipway/fault"
)

func open(t testing.TB, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	disktest.Run(t, func(t *testing.T) disktest.Store { return open(t, t.TempDir()) })
}

// A hundred GiB with little in it must cost what the little costs.
func TestLargeSparseDisk(t *testing.T) {
	s := open(t, t.TempDir())
	const blocks = 100 << 30 / disk.BlockSize
	began := time.Now()
	d := disktest.SealOf(t, s, "big", blocks, map[int64]uint64{0: 1, blocks / 2: 2, blocks - 1: 3})
	got, err := s.DataBlocks(d.Digest, 0, 1000)
	if err != nil || len(got) != 3 || got[2] != blocks-1 {
		t.Fatalf("data blocks %v, %v", got, err)
	}
	if err := s.Verify(t.Context(), d.Digest, nil); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("create, three blocks, seal, list, verify: %v", took)
	if took > 5*time.Second {
		t.Errorf("100 GiB of holes took %v", took)
	}
	st, err := os.Stat(s.Path(d.Digest))
	if err != nil || st.Size() != 100<<30 || st.Mode().Perm() != 0o400 {
		t.Fatalf("the file is %v, %v", st, err)
	}
	if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > 4*disk.BlockSize {
		t.Errorf("three blocks take %d bytes", used)
	}
}

func TestZeroBlockFreesSpace(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.CreateUpload(t.Context(), "u", 8); err != nil {
		t.Fatal(err)
	}
	for i := range int64(8) {
		disktest.Put(t, s, "u", i, 1)
	}
	for i := range int64(8) {
		disktest.Put(t, s, "u", i, 0)
	}
	st, err := os.Stat(filepath.Join(dir, "uploads/u/disk/raw"))
	if err != nil {
		t.Fatal(err)
	}
	if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used != 0 {
		t.Errorf("%d bytes are still allocated", used)
	}
}

// Damage anywhere in a sealed disk is an error and never wrong bytes.
func TestDamageIsFound(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"a byte of data":    func(d string) error { return poke(d+"/raw", disk.BlockSize+77) },
		"a byte in a hole":  func(d string) error { return poke(d+"/raw", 2*disk.BlockSize+5) },
		"a leaf":            func(d string) error { return poke(d+"/leaves", 32+3) },
		"a truncated file":  func(d string) error { return cut(d+"/raw", disk.BlockSize) },
		"truncated leaves":  func(d string) error { return cut(d+"/leaves", 32) },
		"the bytes missing": func(d string) error { return os.Remove(d + "/raw") },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			d := disktest.SealOf(t, s, "u", 4, map[int64]uint64{1: 1})
			if err := harm(filepath.Dir(s.Path(d.Digest))); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), d.Digest, nil); !fault.Is(err, fault.Internal) {
				t.Errorf("verify says %v", err)
			}
			bad := 0
			for i := range int64(4) {
				seed := map[int64]uint64{1: 1}[i]
				wantData, _ := disktest.Block(seed)
				data, _, err := s.ReadBlock(t.Context(), d.Digest, i)
				if err != nil {
					bad++
				} else if string(data) != string(wantData) {
					t.Errorf("block %d reads wrong bytes", i)
				}
			}
			if bad == 0 {
				t.Error("no block is refused")
			}
		})
	}
}

func cut(path string, size int64) error {
	return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, size))
}

func poke(path string, at int64) error {
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 0x5a
	_, werr := f.WriteAt(b[:], at)
	return errors.Join(err, werr, f.Close())
}

// QEMU itself reads our overlay: format, size, no backing name, and the base
// shows through when it is given explicitly.
func TestOverlayIsQCOW2(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("needs qemu-img (Debian package qemu-utils)")
	}
	s := open(t, t.TempDir())
	const blocks = 3000 // more than one L1 entry
	d := disktest.SealOf(t, s, "u", blocks, map[int64]uint64{1: 1, 2999: 2})
	for name, size := range map[string]int64{"same": 0, "grown": 200 << 30, "huge": 64 << 40} {
		p, err := s.CreateOverlay(t.Context(), name, d.Digest, size)
		if err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			size = d.SizeBytes
		}
		out, err := exec.Command("qemu-img", "info", "-f", "qcow2", "--output=json", p).Output()
		if err != nil {
			t.Fatal(err)
		}
		var info map[string]any
		if err := json.Unmarshal(out, &info); err != nil {
			t.Fatal(err)
		}
		if int64(info["virtual-size"].(float64)) != size || info["backing-filename"] != nil || info["full-backing-filename"] != nil {
			t.Errorf("%s: %s", name, out)
		}
		if out, err := exec.Command("qemu-img", "check", "-f", "qcow2", p).CombinedOutput(); err != nil {
			t.Errorf("%s: check: %s", name, out)
		}
		opts := "driver=qcow2,file.driver=file,file.filename=" + p +
			",backing.driver=raw,backing.read-only=on,backing.file.driver=file,backing.file.filename=" + s.Path(d.Digest)
		if name == "same" {
			out, err := exec.Command("qemu-img", "compare", "--image-opts", opts, "driver=raw,file.filename="+s.Path(d.Digest)).CombinedOutput()
			if err != nil {
				t.Errorf("the base does not show through: %s", out)
			}
		}
		out, err = exec.Command("qemu-io", "--image-opts", opts, "-c", "write -P 0x5a 600k 100k", "-c", "read -P 0x5a 600k 100k", "-c", "read -P 0 0 512k").CombinedOutput()
		if err != nil || strings.Contains(string(out), "failed") {
			t.Errorf("%s: qemu-io: %v %s", name, err, out)
		}
		if out, err := exec.Command("qemu-img", "check", "-f", "qcow2", p).CombinedOutput(); err != nil {
			t.Errorf("%s: check after a write: %s", name, out)
		}
	}
	if err := s.Verify(t.Context(), d.Digest, nil); err != nil {
		t.Errorf("the base changed: %v", err)
	}
}

func BenchmarkPutBlock(b *testing.B) {
	s := open(b, b.TempDir())
	const blocks = 512 // 256 MiB, overwritten in rounds
	if err := s.CreateUpload(b.Context(), "u", blocks); err != nil {
		b.Fatal(err)
	}
	data, sum := disktest.Block(1)
	other, osum := disktest.Block(2)
	b.SetBytes(disk.BlockSize)
	n := int64(0)
	for b.Loop() {
		d, h := data, sum
		if n/blocks%2 == 1 {
			d, h = other, osum
		}
		if err := s.PutBlock(b.Context(), "u", n%blocks, d, h); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// Seal after 1 GiB of data: what completing a snapshot waits for.
func BenchmarkSeal1GiB(b *testing.B) {
	s := open(b, b.TempDir())
	const blocks = 2048
	data, sum := disktest.Block(1)
	b.SetBytes(blocks * disk.BlockSize)
	for b.Loop() {
		b.StopTimer()
		if err := s.CreateUpload(b.Context(), "u", blocks+int64(b.N)); err != nil {
			b.Fatal(err)
		}
		for i := range int64(blocks) {
			if err := s.PutBlock(b.Context(), "u", i, data, sum); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		d, err := s.Seal(b.Context(), "u", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := errors.Join(s.DropUpload(b.Context(), "u"), s.Remove(b.Context(), d.Digest)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// What a download through the EBS API costs on our side: open, read, verify.
func BenchmarkReadBlock(b *testing.B) {
	s := open(b, b.TempDir())
	seeds := map[int64]uint64{}
	for i := range int64(64) {
		seeds[i] = uint64(i + 1)
	}
	d := disktest.SealOf(b, s, "u", 64, seeds)
	b.SetBytes(disk.BlockSize)
	n := int64(0)
	for b.Loop() {
		if _, _, err := s.ReadBlock(b.Context(), d.Digest, n%64); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// A scan of 100 GiB with a block in every 800th place.
func BenchmarkDataBlocks100GiB(b *testing.B) {
	s := open(b, b.TempDir())
	const blocks = 100 << 30 / disk.BlockSize
	if err := s.CreateUpload(b.Context(), "u", blocks); err != nil {
		b.Fatal(err)
	}
	data, sum := disktest.Block(1)
	for i := int64(0); i < blocks; i += 800 {
		if err := s.PutBlock(b.Context(), "u", i, data, sum); err != nil {
			b.Fatal(err)
		}
	}
	d, err := s.Seal(b.Context(), "u", nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		got, err := s.DataBlocks(d.Digest, 0, blocks)
		if err != nil || len(got) != blocks/800 {
			b.Fatal(len(got), err)
		}
	}
}
