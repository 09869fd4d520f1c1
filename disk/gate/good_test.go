package gate

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sparseBytes makes a disk with data of every kind at odd places.
func sparseBytes(size int64) []byte {
	b := make([]byte, size)
	rng := rand.New(rand.NewPCG(3, 9))
	fill := func(off, n int64, text bool) {
		for i := off; i < min(off+n, size); i++ {
			if b[i] = byte(rng.Uint32()); text {
				b[i] = "slipway "[i%8]
			}
		}
	}
	fill(0, 512, false)
	b[510], b[511] = 0x55, 0xaa
	fill(1<<20, 300_000, true)
	fill(3<<20+512, 70_000, false)
	fill(8<<20-100, 5_000, true)
	fill(5<<20, 65536, false)
	fill(size-700, 700, false)
	return b
}

func digest(t testing.TB, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:12])
}

// readAll reads a disk by its extents and once more straight through.
func readAll(t testing.TB, d *Disk) (sum string, data int64) {
	t.Helper()
	r, err := d.ReaderAt()
	if err != nil {
		t.Fatal(err)
	}
	byExtent := make([]byte, d.VirtualSize)
	for e, err := range d.Extents(0) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(byExtent[e.Off:e.Off+e.Len], e.Off); err != nil {
			t.Fatalf("extent %+v: %v", e, err)
		}
		data += e.Len
	}
	sum = digest(t, io.NewSectionReader(r, 0, d.VirtualSize))
	if by := digest(t, bytes.NewReader(byExtent)); by != sum {
		t.Errorf("by extents %s, straight %s", by, sum)
	}
	return sum, data
}

func qemuImg(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func needQemuImg(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Fatal("qemu-img is missing: run make test, which installs it")
	}
}

func open(t testing.TB, path string, o Options) (*Disk, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Open(f, info.Size(), o)
}

// made is what qemu-img can write and this package reads.
var made = []struct {
	name   string
	format Format
	sub    string
	args   []string
}{
	{"qcow2-v3", QCOW2, "v3", []string{"-O", "qcow2"}},
	{"qcow2-v2", QCOW2, "v2", []string{"-O", "qcow2", "-o", "compat=0.10"}},
	{"qcow2-512", QCOW2, "v3", []string{"-O", "qcow2", "-o", "cluster_size=512"}},
	{"qcow2-2M", QCOW2, "v3", []string{"-O", "qcow2", "-o", "cluster_size=2M"}},
	{"qcow2-lazy", QCOW2, "v3", []string{"-O", "qcow2", "-o", "lazy_refcounts=on,refcount_bits=1"}},
	{"qcow2-prealloc", QCOW2, "v3", []string{"-O", "qcow2", "-o", "preallocation=metadata"}},
	{"qcow2-zlib", QCOW2, "v3", []string{"-O", "qcow2", "-c"}},
	{"qcow2-v2-zlib", QCOW2, "v2", []string{"-O", "qcow2", "-c", "-o", "compat=0.10"}},
	{"qcow2-zstd", QCOW2, "v3 zstd", []string{"-O", "qcow2", "-c", "-o", "compression_type=zstd"}},
	{"qcow2-zstd-2M", QCOW2, "v3 zstd", []string{"-O", "qcow2", "-c", "-o", "compression_type=zstd,cluster_size=2M"}},
	{"vmdk-sparse", VMDK, "monolithicSparse", []string{"-O", "vmdk"}},
	{"vmdk-zerograin", VMDK, "monolithicSparse", []string{"-O", "vmdk", "-o", "zeroed_grain=on"}},
	{"vmdk-stream", VMDK, "streamOptimized", []string{"-O", "vmdk", "-o", "subformat=streamOptimized"}},
	{"vhd-dynamic", VHD, "dynamic", []string{"-O", "vpc", "-o", "force_size=on"}},
	{"vhd-chs", VHD, "dynamic", []string{"-O", "vpc"}}, // its size is rounded up
	{"vhd-fixed", VHD, "fixed", []string{"-O", "vpc", "-o", "subformat=fixed,force_size=on"}},
	{"vhdx-dynamic", VHDX, "dynamic", []string{"-O", "vhdx"}},
	{"vhdx-1M", VHDX, "dynamic", []string{"-O", "vhdx", "-o", "block_size=1M"}},
	{"vhdx-fixed", VHDX, "fixed", []string{"-O", "vhdx", "-o", "subformat=fixed"}},
}

// Every format that qemu-img writes is read back byte by byte, for a disk that
// fills its last cluster and for one that does not.
func TestReadsWhatQemuImgWrites(t *testing.T) {
	needQemuImg(t)
	for _, size := range []int64{10 << 20, 9<<20 + 7*512} {
		dir := t.TempDir()
		raw := filepath.Join(dir, "disk.raw")
		content := sparseBytes(size)
		if err := os.WriteFile(raw, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, m := range made {
			t.Run(fmt.Sprintf("%s/%d", m.name, size), func(t *testing.T) {
				path := filepath.Join(dir, m.name)
				qemuImg(t, append(append([]string{"convert", "-f", "raw"}, m.args...), raw, path)...)
				d, err := open(t, path, Options{})
				if err != nil {
					t.Fatal(err)
				}
				back := filepath.Join(dir, m.name+".raw")
				from := map[Format]string{VHD: "vpc"}[m.format]
				if from == "" {
					from = string(m.format)
				}
				qemuImg(t, "convert", "-f", from, "-O", "raw", path, back)
				theirs, err := os.ReadFile(back)
				if err != nil {
					t.Fatal(err)
				}
				sum, data := readAll(t, d)
				want := digest(t, bytes.NewReader(theirs))
				info, _ := os.Stat(path)
				t.Logf("%-16s %8d bytes -> %-24s virtual %d, data %d, sha256 %s, qemu-img %s", m.name, info.Size(), d, d.VirtualSize, data, sum, want)
				if sum != want || d.VirtualSize != int64(len(theirs)) || d.Format != m.format || d.Subformat != m.sub {
					t.Errorf("%+v", d)
				}
				if d.VirtualSize == size && sum != digest(t, bytes.NewReader(content)) {
					t.Error("not what was written")
				}
				if !d.Exact || d.Allocated != data || data > d.VirtualSize {
					t.Errorf("allocated %d (exact %v), extents %d", d.Allocated, d.Exact, data)
				}
				if err := d.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
