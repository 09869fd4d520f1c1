package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstanceTypes: a file that is not understood keeps the server from
// starting, and is told by name.
func TestInstanceTypes(t *testing.T) {
	clean(t)
	dir := t.TempDir()
	for text, want := range map[string]string{"": "EOF", `{"types":[{"type":"huge"}]}`: `no instance type "huge"`} {
		file := filepath.Join(dir, "types.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := cli(t, "serve", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--compute", "fake", "--instance-types", file)
		if code != 1 || !strings.Contains(errs, want) || !strings.Contains(errs, file) {
			t.Errorf("%q: %d %s", text, code, errs)
		}
	}
	if c, err := instances(ServeConfig{}); c != nil || err != nil {
		t.Errorf("without a file: %v, %v", c, err)
	}
}
