package bundle

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

func TestISO(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guest")
	from := fstest.MapFS{}
	want := map[string]string{"slipway-guest": "linux program", "slipway-guest.exe": "windows program", "install.sh": "#!/bin/sh\n", "README.txt": "read me"}
	for n, text := range want {
		from[n] = &fstest.MapFile{Data: []byte(text)}
	}
	out, err := Make(t.Context(), from, dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.OpenFromPath(out, true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	iso, err := iso9660.Read(b, first.Size(), 0, block)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimRight(iso.Label(), "\x00 ") != label {
		t.Errorf("the label is %q", iso.Label())
	}
	for n, text := range want {
		f, err := iso.OpenFile("/"+n, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s: %v", n, err)
			continue
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != text {
			t.Errorf("%s holds %q, %v", n, got, err)
		}
	}
	// Again: nothing is done. Of other files: the first goes.
	if again, err := Make(t.Context(), from, dir); err != nil || again != out {
		t.Errorf("%s, %v", again, err)
	} else if st, err := os.Stat(out); err != nil || !os.SameFile(st, first) {
		t.Errorf("made anew: %v", err)
	}
	from["README.txt"] = &fstest.MapFile{Data: []byte("newer")}
	newer, err := Make(t.Context(), from, dir)
	if err != nil || newer == out {
		t.Fatalf("%s, %v", newer, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || left[0] != newer {
		t.Errorf("left: %q", left)
	}
}

// TestVersion: what make wrote beside the programs is what they say.
func TestVersion(t *testing.T) {
	if (len(Missing()) > 0) != (Version() == "" || Program("linux") == nil || Program("windows") == nil) {
		t.Errorf("missing: %q", Missing())
	}
	if !bytes.Contains(Program("linux"), []byte(Version())) || !bytes.Contains(Program("windows"), []byte(Version())) {
		t.Errorf("the programs are not of the version %s", Version())
	}
}

func TestMissing(t *testing.T) {
	if _, err := fs.Stat(embedded, filesDir+"/install.sh"); err != nil {
		t.Fatal(err)
	}
	out, err := ISO(t.Context(), t.TempDir())
	if err != nil || (out == "") != (len(Missing()) > 0) {
		t.Errorf("%q, %v; missing: %q", out, err, Missing())
	}
}
