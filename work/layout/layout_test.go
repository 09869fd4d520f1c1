package layout

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lay makes files in a new directory; a path that ends in a slash is an empty
// directory.
func lay(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range paths {
		full := filepath.Join(dir, p)
		err := os.MkdirAll(filepath.Dir(full), 0o700)
		if strings.HasSuffix(p, "/") {
			err = os.MkdirAll(full, 0o700)
		} else if err == nil {
			err = os.WriteFile(full, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var digest = strings.Repeat("0123456789abcdef", 4)

func TestStrangers(t *testing.T) {
	known := []string{
		"slipway.db-wal", "client.json", ".client.json.new", "disks/.new-layout.json", "disks/tmp/1-2/raw", "disks/uploads/",
		"disks/uploads/snap-1/disk/raw", "disks/sealed/" + digest + "/raw", "disks/sealed/" + digest + "/.new-checked.json",
		"run/v-1/tpm/state", "run/v-2/", "evidence/123456789012/eu-west-1/win/screen.png", "fleets/123456789012.eu-west-1.a.b-c_d/screen.png", "audit/2026-01-01.jsonl", "icons/" + digest + ".png",
	}
	strange := []string{
		"disks/notes.txt", "disks/sealed/" + digest + "/core", "disks/sealed/0123", "disks/uploads/snap-1/disk/extra", "evidence/123456789012/note",
		"icons/logo.png", "icons/" + digest + ".png.bak", "new", "run/loose", "slipway.db.bak",
	}
	made := slices.Concat(known, strange)
	made[slices.Index(made, "disks/sealed/0123")] = "disks/sealed/0123/raw" // the directory is told, not what is in it
	made[slices.Index(made, "new")] = "new/deep/er"
	got, err := Strangers(lay(t, made...))
	slices.Sort(got)
	slices.Sort(strange)
	if err != nil || !slices.Equal(got, strange) {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, strange)
	}
	if got, err := Strangers(filepath.Join(t.TempDir(), "not-there")); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %q, %v", got, err)
	}
}

func TestPassing(t *testing.T) {
	got, err := Passing(lay(t, "slipway.db", "run/v-1/serial", "transfers/import-1/disk", "disks/overlays/", "disks/uploads/snap-1/", "disks/tmp/x", "icons.key"))
	if want := []string{"disks/uploads/snap-1", "disks/tmp/x", "transfers/import-1", "run/v-1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\ngot  %q\nwant %q", err, got, want)
	}
}

// TestEveryPlaceIsKnown lays out one of each and finds no stranger among them.
func TestEveryPlaceIsKnown(t *testing.T) {
	var all []string
	for _, p := range Places {
		path := words.ReplaceAllStringFunc(p.Path, func(w string) string {
			if w == "DIGEST" {
				return digest
			}
			return "any-1"
		})
		switch {
		case p.Files != nil:
			for _, f := range p.Files {
				all = append(all, path+f)
			}
		case strings.HasSuffix(path, "/"):
			all = append(all, path+"x/y")
		default:
			all = append(all, path)
		}
	}
	if got, err := Strangers(lay(t, all...)); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}
