package inspect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/fault"
)

// notInspected checks an error of a worker that lost, and that the structure
// of the disk is told all the same.
func notInspected(t *testing.T, f facts.Facts, err error) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Incompatible || e.Code != "not-inspected" || !strings.Contains(e.Public, "could not be inspected") {
		t.Errorf("the error is %v", err)
	}
	if f.Table.Kind != facts.GPT || len(f.Partitions) == 0 || len(f.Problems) == 0 {
		t.Errorf("the structure is lost: %+v", f)
	}
}

// own copies the data of a fixture, for tests that break it.
func own(t *testing.T, src string) *os.File {
	t.Helper()
	s, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, err := s.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := os.Create(filepath.Join(t.TempDir(), "own.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Truncate(st.Size()); err != nil {
		t.Fatal(err)
	}
	for _, x := range extents(t, s) {
		if _, err := io.Copy(io.NewOffsetWriter(d, x[0]), io.NewSectionReader(s, x[0], x[1]-x[0])); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func extents(t testing.TB, f *os.File) (out [][2]int64) {
	t.Helper()
	for at := int64(0); ; {
		start, err := f.Seek(at, 3) // SEEK_DATA
		if err != nil {
			return out
		}
		end, err := f.Seek(start, 4) // SEEK_HOLE
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, [2]int64{start, end})
		at = end
	}
}

// A FAT whose cluster chain loops makes go-diskfs append for ever.
func TestFATLoop(t *testing.T) {
	d := own(t, fixtureDisk(t, fixture.Debian12, fixture.Options{}))
	const esp = 1 << 20
	boot := make([]byte, 512)
	if _, err := d.ReadAt(boot, esp); err != nil {
		t.Fatal(err)
	}
	fat := esp + int64(le.Uint16(boot[14:]))*512
	root := int64(le.Uint32(boot[44:]))
	var loop [4]byte
	le.PutUint32(loop[:], uint32(root))
	for _, copy := range []int64{0, int64(le.Uint32(boot[36:])) * 512} { // both have to agree
		if _, err := d.WriteAt(loop[:], fat+copy+4*root); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Inspect(t.Context(), os.Args[0], d.Name())
	notInspected(t, f, err)
}

// A registry key list that contains itself is damage like any other.
func TestHiveLoop(t *testing.T) {
	d := own(t, fixtureDisk(t, fixture.WindowsServer2022, fixture.Options{}))
	patched := 0
	for _, x := range extents(t, d) {
		b := make([]byte, x[1]-x[0])
		if _, err := d.ReadAt(b, x[0]); err != nil {
			t.Fatal(err)
		}
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], []byte("regf"))
			if i < 0 {
				break
			}
			if at += i; (x[0]+int64(at))%512 != 0 || len(b) < at+8192 {
				continue
			}
			bin := at + 4096
			nk := bin + int(le.Uint32(b[at+36:]))
			list := int(le.Uint32(b[nk+4+28:]))
			cell := b[bin+list+4:]
			copy(cell, "ri\x01\x00")
			le.PutUint32(cell[4:], uint32(list))
			patched++
		}
		if _, err := d.WriteAt(b, x[0]); err != nil {
			t.Fatal(err)
		}
	}
	if patched == 0 {
		t.Fatal("no hive found")
	}
	f, err := Inspect(t.Context(), os.Args[0], d.Name())
	if err != nil || f.OS != facts.Unknown || !slices.ContainsFunc(f.Problems, func(p string) bool { return strings.Contains(p, "registry") }) {
		t.Errorf("%v %+v", err, f)
	}
}

// Every way in which a worker can go wrong ends in an error, soon.
func TestWorkersThatGoWrong(t *testing.T) {
	p := fixtureDisk(t, fixture.Debian12, fixture.Options{})
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"stack", "memory", "spin", "silent", "chatty", "lines"} {
		t.Run(how, func(t *testing.T) {
			disk, err := os.Open(p)
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			began := time.Now()
			cmd := command(t.Context(), self, modeFull, formatRaw, disk)
			cmd.Args[0] = "bad-worker-" + how
			cmd.Args[1] = "x"
			f, err := answer(t.Context(), t.Context(), cmd)
			if err == nil {
				t.Errorf("no error: %+v", f)
			}
			if took := time.Since(began); took > wallTime+10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	t.Run("hang", func(t *testing.T) {
		disk, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		wall, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		cmd := command(wall, self, modeFull, formatRaw, disk)
		cmd.Args[0], cmd.Args[1] = "bad-worker-hang", "x"
		if _, err := answer(t.Context(), wall, cmd); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("write", func(t *testing.T) {
		disk, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		out := filepath.Join(os.TempDir(), "slipway-worker-wrote")
		defer os.Remove(out)
		cmd := command(t.Context(), self, modeFull, formatRaw, disk)
		cmd.Args[0], cmd.Args[1] = "bad-worker-write", "x"
		_, _ = answer(t.Context(), t.Context(), cmd)
		if st, err := os.Stat(out); err == nil && st.Size() > 0 {
			t.Error("a worker wrote a file")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Inspect(ctx, self, p); !fault.Is(err, fault.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
}

// Random damage where the inspection reads: it may fail, in time, with an
// error that says so, and nothing else. SLIPWAY_SOAK sets how many.
func TestCorruption(t *testing.T) {
	rounds, limit := 300, 20*time.Second // under the race detector a worker starts slowly
	if s := os.Getenv("SLIPWAY_SOAK"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		limit = time.Hour
	}
	rng := rand.New(rand.NewPCG(20, 26))
	kinds := []fixture.Kind{fixture.WindowsServer2022, fixture.Debian12, fixture.BIOSOnly, fixture.AmazonLinux2}
	var failed, done int
	var slowest, dearest time.Duration // by the clock, by the processor
	started := time.Now()
	for _, k := range kinds {
		d := own(t, fixtureDisk(t, k, fixture.Options{}))
		xs := extents(t, d)
		for i := range (rounds + len(kinds) - 1) / len(kinds) {
			if time.Since(started) > limit {
				break
			}
			done++
			undo := corrupt(t, rng, d, xs)
			began, spent := time.Now(), spentByChildren(t)
			f, err := Inspect(t.Context(), os.Args[0], d.Name())
			took, cost := time.Since(began), spentByChildren(t)-spent
			slowest, dearest = max(slowest, took), max(dearest, cost)
			if cost > time.Second/2 || err != nil {
				t.Logf("%s, round %d: %v, %v of processor time, %v", k, i, took, cost, err)
			}
			if err != nil {
				failed++
				if !fault.Is(err, fault.Incompatible) {
					t.Errorf("%s, round %d: %v", k, i, err)
				}
			}
			if f.Version != facts.Version {
				t.Errorf("%s, round %d: no facts", k, i)
			}
			undo()
		}
	}
	t.Logf("%d corruptions: %d workers lost, slowest inspection %v, dearest %v of processor time", done, failed, slowest, dearest)
	if done < 20 {
		t.Errorf("only %d corruptions in %v", done, limit)
	}
}

// spentByChildren is the processor time of all workers that have ended.
func spentByChildren(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// corrupt changes one to four places: single bytes, aligned fields that get
// extreme values, or stretches. Early bytes of an extent are likelier, since
// headers and directories stand there.
func corrupt(t *testing.T, rng *rand.Rand, d *os.File, xs [][2]int64) (undo func()) {
	t.Helper()
	type saved struct {
		at int64
		b  []byte
	}
	var olds []saved
	for range 1 + rng.IntN(4) {
		x := xs[rng.IntN(len(xs))]
		span := min(x[1]-x[0], int64(1)<<(9+rng.IntN(12)))
		at := x[0] + rng.Int64N(span)
		n := int64(1)
		switch rng.IntN(3) {
		case 1:
			n, at = 4, at&^3
		case 2:
			n = min(1+rng.Int64N(600), x[1]-at)
		}
		old := make([]byte, n)
		if _, err := d.ReadAt(old, at); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if n == 4 {
			le.PutUint32(b, []uint32{0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, le.Uint32(old) + 1, le.Uint32(old) << 8}[rng.IntN(7)])
		}
		if _, err := d.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		olds = append(olds, saved{at, old})
	}
	return func() {
		for i := len(olds) - 1; i >= 0; i-- {
			if _, err := d.WriteAt(olds[i].b, olds[i].at); err != nil {
				t.Fatal(err)
			}
		}
	}
}
