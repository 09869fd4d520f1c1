package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/work/bucket/buckettest"
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

// TestOperatorsFiles: installers and ways to update that are not understood keep the
// server from starting.
func TestOperatorsFiles(t *testing.T) {
	clean(t)
	software := `{"software": [{"name": "Microsoft_Project_2021_Standard_64Bit", "platform": "%"}]}`
	for _, c := range []struct{ flag, text, want string }{
		{"--software", "", "EOF"},
		{"--software", `{"software": [{"name": "Paint"}]}`, "Paint: there is no licence-included software of this name"},
		{"--software", strings.Replace(software, "%", "solaris", 1), `not "solaris"`},
		{"--software", strings.Replace(software, "%", "windows", 1), "commands to install and to detect it are needed"},
		{"--software", strings.Replace(software, `%"`, `linux", "install": "true", "detect": "true", "file": "../x"`, 1), "is not in the manifest's directory"},
		{"--software", strings.Replace(software, `%"`, `linux", "install": "true", "detect": "true", "file": "x", "sha256": "00"`, 1), "64 hexadecimal digits"},
		{"--update-commands", "[", "EOF"},
		{"--update-commands", `[{"name": "x", "system": "beos"}]`, `not "beos"`},
		{"--update-commands", `[{"name": "x", "system": "linux"}]`, "x: applies, pending and update are needed"},
	} {
		dir := t.TempDir()
		file, value := filepath.Join(dir, "manifest.json"), dir
		if c.flag == "--update-commands" {
			value = file
		}
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := cli(t, "serve", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--compute", "fake", c.flag, value)
		if code != 1 || !strings.Contains(errs, c.want) || !strings.Contains(errs, file) {
			t.Errorf("%s %q: %d %s", c.flag, c.text, code, errs)
		}
	}
}

// TestSoftwareInABucket: the manifest is read there, and where it is must be known.
func TestSoftwareInABucket(t *testing.T) {
	clean(t)
	s3 := buckettest.Start(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(s3.Key()), 0o600); err != nil {
		t.Fatal(err)
	}
	at := []string{"--s3-endpoint", s3.URL, "--s3-key", key}
	s3.Set("tools/office/manifest.json", []byte(`{"software": [{"name": "Paint"}]}`))
	for place, c := range map[string]struct {
		flags []string
		code  int
		want  string
	}{
		"s3://tools/office":  {at, 1, "s3://tools/office/manifest.json: Paint: there is no licence-included software of this name"},
		"s3://tools/office/": {nil, 2, "--s3-endpoint and --s3-key do not say where it is"},
		"s3://tools/none":    {at, 1, "does not exist"},
		"s3:///x":            {at, 1, "is not s3://BUCKET/PREFIX"},
	} {
		code, _, errs := cli(t, append([]string{"serve", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--compute", "fake", "--software", place}, c.flags...)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", place, code, errs)
		}
	}
}
