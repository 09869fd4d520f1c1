package convert

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/disk"
	"slipway/disk/gate"
	"slipway/fault"
)

// source makes a sparse disk with some data at odd places.
func source(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 9))
	put := func(off int64, n int, text bool) {
		b := make([]byte, n)
		for i := range b {
			if b[i] = byte(rng.Uint32()); text {
				b[i] = "slipway "[i%8]
			}
		}
		if off+int64(n) <= size {
			if _, err := f.WriteAt(b, off); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(0, 512, false)
	put(1<<20, 900_000, true)
	put(33<<20+512, 700_000, false)
	put(size/2-100, 5_000, false)
	put(size-700, 700, false)
	put(2<<20, 0, false)
	if _, err := f.WriteAt(make([]byte, 1<<20), 40<<20); err != nil { // zeros that are no hole
		t.Fatal(err)
	}
	return path
}

func digestOf(t testing.TB, path string, f gate.Format) (d disk.Digest, size int64) {
	t.Helper()
	file, err := disk.OpenSparse(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, size := disk.Content(file), file.Size()
	if f != gate.Raw {
		g, err := gate.Open(file, size, gate.Options{Declared: f})
		if err != nil {
			t.Fatal(err)
		}
		content, size = g, g.VirtualSize
	}
	s, err := disk.Sum(context.Background(), content, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.Digest, size
}

func needQemuImg(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("SKIPPED, nothing was proved: qemu-img is not installed (apt-get install qemu-utils)")
	}
}

// alone wants the directory to hold these files and nothing else.
func alone(t testing.TB, dir string, names ...string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range es {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, names) {
		t.Errorf("in the directory: %v, want %v", have, names)
	}
}

func TestEveryFormatOutAndBackIn(t *testing.T) {
	needQemuImg(t)
	for _, size := range []int64{1 << 30, 1<<30 + 3*512} {
		src := source(t, size)
		want, _ := digestOf(t, src, gate.Raw)
		for _, f := range Formats() {
			c := &Converter{Warn: func(s string) { t.Log(s) }}
			dir := t.TempDir()
			out := filepath.Join(dir, "disk."+string(f))
			last := int64(0)
			r, err := c.File(t.Context(), src, out, Options{Format: f, Progress: func(done, total int64, note string) { last = done * 100 / total }})
			if err != nil {
				t.Errorf("%s: %v", f, err)
				continue
			}
			got, n := digestOf(t, out, f)
			t.Logf("%-6s virtual %d, file %8d bytes, digest %.20s, last progress %d %%", f, n, r.FileBytes, got, last)
			if got != want || n != size || r.Digest != want || r.VirtualSize != size || last != 100 {
				t.Errorf("%s: digest %s, size %d, progress %d: %+v", f, got, n, last, r)
			}
			alone(t, dir, filepath.Base(out))
			if _, err := c.File(t.Context(), src, out, Options{Format: f}); !fault.Is(err, fault.Exists) {
				t.Errorf("%s over a file that exists: %v", f, err)
			}
		}
	}
}

// A guest may write what it likes into its first sector.
func TestRawDiskThatLooksLikeAnother(t *testing.T) {
	needQemuImg(t)
	src := source(t, 64<<20)
	f, err := os.OpenFile(src, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 1024)
	copy(head, "QFI\xfb\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x0b")
	copy(head[512:], "/etc/passwd")
	if _, err := f.WriteAt(head, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	want, _ := digestOf(t, src, gate.Raw)
	for _, format := range []gate.Format{gate.Raw, gate.QCOW2, gate.VHD} {
		out := filepath.Join(t.TempDir(), "disk")
		if _, err := new(Converter).File(t.Context(), src, out, Options{Format: format}); err != nil {
			t.Fatal(err)
		}
		if got, _ := digestOf(t, out, format); got != want {
			t.Errorf("%s differs", format)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	src := source(t, 64<<20)
	odd := filepath.Join(t.TempDir(), "odd")
	big := filepath.Join(t.TempDir(), "big")
	for path, size := range map[string]int64{odd: 1000, big: 3 << 40} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	none := func(string) string { return "" }
	for name, c := range map[string]struct {
		c    *Converter
		src  string
		o    Options
		kind fault.Kind
		hint string
	}{
		"no source":      {src: "/nonexistent", o: Options{Format: gate.Raw}, kind: fault.NotFound},
		"no such format": {src: src, o: Options{Format: gate.Gzip}, kind: fault.BadValue, hint: "Choose one of"},
		"half a sector":  {src: odd, o: Options{Format: gate.QCOW2}, kind: fault.BadValue, hint: "raw"},
		"too large":      {src: big, o: Options{Format: gate.VHD}, kind: fault.BadValue, hint: "vhdx"},
		"no qemu-img":    {c: &Converter{Find: none}, src: src, o: Options{Format: gate.QCOW2}, kind: fault.Unavailable, hint: "apt-get install qemu-utils"},
		"no room, foreseen": {c: &Converter{Free: func(string) (uint64, error) { return 1 << 20, nil }}, src: src, o: Options{Format: gate.Raw},
			kind: fault.Unavailable, hint: "Free space"},
	} {
		dir := t.TempDir()
		if c.c == nil {
			c.c = new(Converter)
		}
		_, err := c.c.File(t.Context(), c.src, filepath.Join(dir, "out"), c.o)
		if !fault.Is(err, c.kind) || !strings.Contains(fault.Public(err), c.hint) {
			t.Errorf("%s: %v (%s)", name, err, fault.Public(err))
		}
		alone(t, dir)
	}
}

// runner stands for the program; what looks for it is answered as on a machine
// that has everything.
type runner func(ctx context.Context, argv []string, line func(string)) error

func (r runner) Run(ctx context.Context, argv []string, line func(string)) error {
	if slices.Contains(argv, "/usr/bin/true") {
		return nil
	}
	return r(ctx, argv, line)
}

func everything(program string) string { return "/usr/bin/" + program }

func TestFailuresLeaveNothing(t *testing.T) {
	src := source(t, 64<<20)
	exit := func(text string) runner {
		return func(_ context.Context, _ []string, line func(string)) error {
			line("    (1.00/100%)")
			return &ExitError{Program: "qemu-img", Code: 1, Stderr: text}
		}
	}
	for name, c := range map[string]struct {
		run   runner
		stall time.Duration
		kind  fault.Kind
		code  string
	}{
		"disk full": {run: exit("qemu-img: error while writing at byte 0: No space left on device\n"), kind: fault.Unavailable, code: "disk-full"},
		"a failure": {run: exit("qemu-img: Unknown driver 'vhdx'"), kind: fault.Internal},
		"stands still": {stall: 20 * time.Millisecond, kind: fault.Unavailable, code: "conversion-stalled",
			run: func(ctx context.Context, _ []string, _ func(string)) error { <-ctx.Done(); return context.Cause(ctx) }},
		"wrote nonsense": {kind: fault.Internal, code: "conversion-differs", run: func(_ context.Context, argv []string, _ func(string)) error {
			return os.WriteFile(outOf(argv), []byte("QFI\xfb nonsense"), 0o600)
		}},
	} {
		dir := t.TempDir()
		_, err := (&Converter{Run: c.run, Find: everything, Stall: c.stall}).File(t.Context(), src, filepath.Join(dir, "out.qcow2"), Options{Format: gate.QCOW2})
		if !fault.Is(err, c.kind) || c.code != "" && gate.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		alone(t, dir)
	}
}

// outOf finds the output in a command line with the sandbox in it.
func outOf(argv []string) string {
	dir := argv[slices.Index(argv, "--bind")+1]
	return filepath.Join(dir, filepath.Base(argv[len(argv)-1]))
}

// One wrong byte of half a gigabyte does not get out.
func TestWrongByteIsFound(t *testing.T) {
	needQemuImg(t)
	src := source(t, 512<<20)
	dir := t.TempDir()
	bad := runner(func(ctx context.Context, argv []string, line func(string)) error {
		if err := (processes{}).Run(ctx, argv, line); err != nil {
			return err
		}
		f, err := os.OpenFile(outOf(argv), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		d, err := gate.Open(f, size(t, f), gate.Options{})
		if err != nil || d.Format != gate.VHD {
			return errors.New("not a VHD")
		}
		_, err = f.WriteAt([]byte{'X'}, size(t, f)-512-1) // the disk's last byte, before the footer
		return err
	})
	c := &Converter{Run: bad, Find: func(p string) string { s, _ := exec.LookPath(p); return s }}
	if _, err := exec.LookPath("bwrap"); err != nil {
		t.Skip("SKIPPED, nothing was proved: bubblewrap is not installed")
	}
	if _, err := c.File(t.Context(), src, filepath.Join(dir, "out.vhd"), Options{Format: gate.VHD}); gate.Code(err) != "conversion-differs" {
		t.Errorf("a wrong byte: %v", err)
	}
	alone(t, dir)
}

func size(t testing.TB, f *os.File) int64 {
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// A file system that is really full, in the middle of a conversion.
func TestFullFileSystem(t *testing.T) {
	needQemuImg(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("SKIPPED, nothing was proved: a small file system cannot be mounted here: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	src := filepath.Join(t.TempDir(), "noise")
	noise := make([]byte, 8<<20)
	rng := rand.NewChaCha8([32]byte{5})
	_, _ = rng.Read(noise)
	if err := os.WriteFile(src, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []gate.Format{gate.QCOW2, gate.OVA, gate.VHDX} {
		_, err := new(Converter).File(t.Context(), src, filepath.Join(dir, "out"), Options{Format: f})
		if gate.Code(err) != "disk-full" {
			t.Errorf("%s: %v", f, err)
		}
		alone(t, dir)
	}
	c := &Converter{Free: func(string) (uint64, error) { return 1 << 40, nil }} // it was free a moment ago
	for _, f := range []gate.Format{gate.Raw, gate.VHD} {
		if _, err := c.File(t.Context(), src, filepath.Join(dir, "out"), Options{Format: f}); gate.Code(err) != "disk-full" {
			t.Errorf("%s: %v", f, err)
		}
		alone(t, dir)
	}
}

func TestSumIsWhatSealSays(t *testing.T) {
	s, err := disk.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	src, err := disk.OpenSparse(source(t, 64<<20-512))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := s.CreateUpload(t.Context(), "u", 128); err != nil {
		t.Fatal(err)
	}
	sum, err := disk.Sum(t.Context(), src, 64<<20, func(i int64, b []byte, sum [32]byte) error {
		return s.PutBlock(t.Context(), "u", i, b, sum)
	})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal(t.Context(), "u", nil)
	if err != nil || sealed != sum {
		t.Errorf("sealed %+v, summed %+v, %v", sealed, sum, err)
	}
}
