package gate

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/disk/gate/hostile"
	"slipway/fault"
)

func optionsFor(f *hostile.File) Options {
	return Options{Declared: Format(f.Declared), Member: f.Member, MaxBytes: f.MaxBytes}
}

// nowhere takes what is unpacked and keeps nothing.
type nowhere struct{}

func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

// through takes a file through everything that the gate does and gives the
// first refusal and when it came.
func through(ctx context.Context, r io.ReaderAt, size int64, o Options) (d *Disk, when string, err error) {
	if d, err = Open(r, size, o); err != nil {
		return nil, hostile.Open, err
	}
	if d.Packed() {
		_, err = d.Unpack(ctx, nowhere{})
		return d, hostile.Unpack, err
	}
	if err = d.Check(ctx); err != nil {
		return d, hostile.Check, err
	}
	in, err := d.ReaderAt()
	if err != nil {
		return d, hostile.Read, err
	}
	const most = 64 << 20 // a damaged header may claim a large and empty disk
	buf := make([]byte, 256<<10)
	left := int64(most)
	for e, err := range d.Extents(0) {
		if err != nil {
			return d, hostile.Read, err
		}
		for off := e.Off; off < e.Off+e.Len && left > 0; {
			n, err := in.ReadAt(buf[:min(int64(len(buf)), e.Off+e.Len-off)], off)
			if err != nil {
				return d, hostile.Read, err
			}
			off += int64(n)
			left -= int64(n)
		}
	}
	return d, "", nil
}

// Every file of the corpus is refused by its own code, with a remedy, when it
// should be; and every code has a file.
func TestHostileCorpus(t *testing.T) {
	hit := map[string]int{}
	files := hostile.Files()
	for _, f := range files {
		begun := time.Now()
		d, when, err := through(t.Context(), f, f.Size, optionsFor(f))
		took := time.Since(begun)
		code := Code(err)
		hit[code]++
		if f.Code == "" {
			t.Logf("%-28s taken as %s", f.Name, d)
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		t.Logf("%-28s %-56s %-6s %-26s %5.1f ms  %s", f.Name, f.Item, when, code, float64(took.Microseconds())/1000, fault.Public(err))
		if code != f.Code || when != f.When {
			t.Errorf("%s: want %s when %s, got %s when %s: %v", f.Name, f.Code, f.When, code, when, err)
		}
		if err == nil || !fault.Is(err, fault.Incompatible) || !strings.HasSuffix(fault.Public(err), remedies[code]) {
			t.Errorf("%s: %v has no remedy", f.Name, err)
		}
		if took > 10*time.Second {
			t.Errorf("%s took %v", f.Name, took)
		}
	}
	// Those that are not about files.
	other := []string{"COMPRESSED_NEEDS_UNPACKING", "DISK_CHANGED"}
	for _, c := range Codes() {
		if hit[c] == 0 && !slices.Contains(other, c) {
			t.Errorf("no file is refused by %s", c)
		}
	}
	t.Logf("%d files, %d codes", len(files), len(hit)-1)
}

// The first MiB tells most of it, and never the opposite of the whole.
func TestSniffAgreesWithOpen(t *testing.T) {
	early := 0
	for _, f := range hostile.Files() {
		for _, n := range []int64{1, 512, 4096, 64 << 10, 1 << 20} {
			for _, size := range []int64{f.Size, -1} {
				first := make([]byte, min(n, f.Size))
				if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size), first); err != nil && len(first) > 0 {
					t.Fatal(err)
				}
				v, err := Sniff(first, size, optionsFor(f))
				switch {
				case err != nil && f.Code == "":
					t.Errorf("%s: refused by its first %d of %d bytes: %v", f.Name, n, size, err)
				case err != nil && Code(err) != f.Code && size >= 0 && n >= 64<<10:
					t.Logf("%s: by its first %d of %d bytes %s, whole %s", f.Name, n, size, Code(err), f.Code)
				case err == nil && v.Final && f.Code != "" && f.When == hostile.Open:
					t.Errorf("%s: taken for good by its first %d bytes", f.Name, n)
				}
				if err != nil && Code(err) == "" {
					t.Errorf("%s: %d of %d bytes: not a refusal: %v", f.Name, n, size, err)
				}
				if err != nil && n == 1<<20 && size >= 0 {
					early++
				}
			}
		}
	}
	t.Logf("%d of %d refused by the first MiB", early, len(hostile.Files())-len(hostile.Good()))
}

func TestDeclaredFormatAndReadErrors(t *testing.T) {
	f := hostile.Good()[1]
	if _, err := Open(f, f.Size, Options{Declared: VHD}); Code(err) != "FORMAT_MISMATCH" {
		t.Error(err)
	}
	broken := errors.New("the cable is out")
	if _, err := Open(failing{broken}, 1<<20, Options{}); !errors.Is(err, broken) || Code(err) != "" {
		t.Errorf("an error of the reader: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// The package reads its input and nothing else: it cannot open files, run
// programs or connect.
func TestOpensNothing(t *testing.T) {
	for _, path := range goFiles(t) {
		for _, p := range importsOf(t, path) {
			switch p {
			case "os", "os/exec", "net", "net/http", "syscall", "unsafe", "path/filepath", "io/fs", "io/ioutil", "plugin":
				t.Errorf("%s imports %s", path, p)
			}
			if strings.HasPrefix(p, "golang.org/x/sys") || strings.HasPrefix(p, "slipway/") && p != "slipway/fault" {
				t.Errorf("%s imports %s", path, p)
			}
		}
	}
}
