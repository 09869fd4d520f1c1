package disks

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/gate"
	"slipway/disk/inspect"
	"slipway/disk/rules"
	"slipway/test/rig"
)

var every = flag.Bool("every", false, "every format with every profile, not each of them a few times")

// verdicts are the facts of a disk, and what each set of rules finds.
func verdicts(t *testing.T, f facts.Facts) (what, found string) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, set := range rules.Sets() {
		fs := rules.Evaluate(set, f)
		word := "ok"
		if rules.Blocked(fs) {
			word = "blocked"
		}
		out = append(out, fmt.Sprintf("%s %s/%d", set, word, len(fs)))
	}
	return string(b), strings.Join(out, ", ")
}

// unpacked opens what may be compressed.
func unpacked(t *testing.T, path string) (f *disk.SparseFile, d *gate.Disk, name string) {
	t.Helper()
	f, err := disk.OpenSparse(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if d, err = gate.Open(f, f.Size(), gate.Options{}); err != nil {
		t.Fatal(path, err)
	}
	if !d.Packed() {
		return f, d, path
	}
	out, err := os.Create(path + ".out")
	if err != nil {
		t.Fatal(err)
	}
	size, err := d.Unpack(t.Context(), out)
	if err == nil {
		err = out.Truncate(size)
	}
	if err != nil || out.Close() != nil {
		t.Fatal(path, err)
	}
	return unpacked(t, out.Name())
}

// Every profile goes out in every format, is recognised by its bytes alone when
// it comes in again, has the same content, and is judged the same, read where
// it lies; also with compression around it.
func TestEveryFormatOfEveryProfile(t *testing.T) {
	exe := rig.Bin(t)
	var lines []string
	formats := convert.Formats()
	for n, k := range fixture.Kinds() {
		dir := t.TempDir()
		raw := filepath.Join(dir, "raw")
		if err := fixture.Make(t.Context(), k, raw, fixture.Options{SizeBytes: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		seen, err := inspect.Inspect(t.Context(), exe, raw)
		if err != nil {
			t.Fatal(err)
		}
		want, verdict := verdicts(t, seen)
		src, err := disk.OpenSparse(raw)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := disk.Sum(t.Context(), src, src.Size(), nil)
		if err != nil || src.Close() != nil {
			t.Fatal(err)
		}
		for i, f := range formats {
			if !*every && i != n%len(formats) {
				continue
			}
			out := filepath.Join(dir, "disk."+string(f))
			if _, err := new(convert.Converter).File(t.Context(), raw, out, convert.Options{Format: f}); err != nil {
				t.Fatalf("%s as %s: %v", k, f, err)
			}
			files := []string{out}
			if f == gate.QCOW2 { // of few bytes
				files = append(files, around(t, out)...)
			}
			for _, path := range files {
				file, d, name := unpacked(t, path)
				back, err := disk.Sum(t.Context(), d, d.VirtualSize, nil)
				if err != nil {
					t.Fatalf("%s as %s: %v", k, path, err)
				}
				again, err := inspect.InspectAny(t.Context(), exe, name)
				if err != nil {
					t.Fatalf("%s as %s: %v", k, path, err)
				}
				got, found := verdicts(t, again)
				same := back.Digest == sum.Digest && got == want && found == verdict && (f == gate.Raw || d.Chain[0].Format == f)
				if !same {
					t.Errorf("%s as %s: %s %s, want %s\n%s\n%s\n%s, want %s", k, filepath.Base(path), d, back.Digest, sum.Digest, got, want, found, verdict)
				}
				lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%d\t%.16s\t%v\t%s", k, filepath.Base(path), d, file.Size(), strings.TrimPrefix(back.Digest.String(), "sd1-"), same, found))
			}
			for _, e := range append(files, out+".gz.out", out+".zst.out", out+".xz.out") {
				_ = os.Remove(e) // those that are there
			}
		}
	}
	slices.Sort(lines)
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "PROFILE\tFILE\tRECOGNISED AS\tBYTES\tCONTENT\tSAME\tVERDICTS/FINDINGS\n%s\n", strings.Join(lines, "\n"))
	w.Flush()
	t.Logf("%d files\n%s", len(lines), b.String())
}

// around puts each compression around a file.
func around(t *testing.T, path string) (out []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for ending, how := range map[string]string{"gz": "gzip", "zst": "zstd", "xz": "xz"} {
		packed, err := fixture.Compress(how, b)
		if err != nil {
			t.Fatal(err)
		}
		name := path + "." + ending
		if err := os.WriteFile(name, packed, 0o600); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}
