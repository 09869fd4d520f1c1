package script

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/gate"
	"slipway/test/rig"
)

// contentOf is the digest of the disk in a file, whatever its format.
func contentOf(t *testing.T, path string, f gate.Format) disk.Digest {
	t.Helper()
	file, err := disk.OpenSparse(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d, err := gate.Open(file, file.Size(), gate.Options{Declared: f})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	s, err := disk.Sum(t.Context(), d, d.VirtualSize, nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s.Digest
}

// TestPullInEveryFormat: what was pushed comes out in every format, and
// qemu-img is asked for only where it is needed.
func TestPullInEveryFormat(t *testing.T) {
	if err := new(convert.Converter).Check(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was proved: %v", err)
	}
	s := rig.Start(t, "--compute", "fake")
	raw := noise(t, 4)
	ami := s.Must("ami", "push", raw, "--name", "noise")
	want := contentOf(t, raw, gate.Raw)
	dir := t.TempDir()
	for _, f := range convert.Formats() {
		out := filepath.Join(dir, "disk."+string(f))
		var r struct {
			Format    string
			Path      string
			FileBytes int64 `json:"file_bytes"`
		}
		decode(t, s.Must("ami", "pull", ami, out, "--json"), &r)
		got := contentOf(t, out, f)
		t.Logf("%-6s %10d bytes  %.24s", r.Format, r.FileBytes, got)
		if got != want || r.Format != string(f) || r.Path != out {
			t.Errorf("%s: %s, want %s: %+v", f, got, want, r)
		}
	}
	named := filepath.Join(dir, "other.bin")
	s.Must("ami", "pull", ami, named, "--format", "vhd")
	if contentOf(t, named, gate.VHD) != want {
		t.Error("--format vhd differs")
	}
	if _, text, err := s.CLI("ami", "pull", ami, named, "--format", "vhd"); err == nil || !strings.Contains(text, "--force") {
		t.Errorf("over a file: %v %s", err, text)
	}
	s.Must("ami", "pull", ami, named, "--format", "qcow2", "--force")
	if contentOf(t, named, gate.QCOW2) != want {
		t.Error("--force differs")
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != len(convert.Formats())+1 {
		t.Errorf("left behind: %v %v", es, err)
	}
}
