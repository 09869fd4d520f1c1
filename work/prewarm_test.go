package work_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/domain"
	"slipway/store"
	"slipway/work"
)

// TestInstancesReadWhatManifestsName: each manifest once, before a user has the
// instance, and nothing where there is none; a guest without a tool serves all the
// same.
func TestInstancesReadWhatManifestsName(t *testing.T) {
	for name, c := range map[string]struct {
		apps  []domain.Application
		tags  domain.Tags
		lines []string
	}{
		"two":       {[]domain.Application{{Name: "a", ManifestPath: "/a"}, {Name: "b", ManifestPath: "/b"}, {Name: "c", ManifestPath: "/a"}, {Name: "d"}}, nil, []string{"echo prewarm /a /b"}},
		"none":      {[]domain.Application{{Name: "a"}}, nil, nil},
		"no answer": {[]domain.Application{{Name: "a", ManifestPath: "/a"}}, domain.Tags{"slipway:fault": "agent"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newFleetRig(t)
			var mu sync.Mutex
			var lines []string
			r.tools.Shell = func(_, line string) (int, string) {
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, line)
				return 0, ""
			}
			tool := "t"
			if c.tags != nil {
				tool = "" // or it would be waited for
			}
			r.image(domain.AgentCurrent, tool)
			r.update(func(tx store.Tx) error {
				img := new(domain.Image)
				if err := tx.Get(imageKey, img); err != nil {
					return err
				}
				img.Catalog = c.apps
				return tx.Put(img)
			})
			r.fleet(func(f *domain.Fleet) { f.Image, f.Desired, f.Tags = imageKey, 1, c.tags })
			r.as(domain.InstanceReady, 1)
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(lines, c.lines) {
				t.Errorf("%q, not %q", lines, c.lines)
			}
		})
	}
}

// TestPrewarmOnLinux: what the line reads, in a real shell.
func TestPrewarmOnLinux(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("cat", "#!/bin/sh\nshift\necho \"$1\" >> "+at("seen")+"\n", 0o755) // in the place of the real one
	write("a file", "a", 0o600)
	write("b$(touch evil)", "b", 0o600)
	write("it's a list", at("a file")+"\r\n\r\n  "+at("b$(touch evil)")+"  \n"+at("none")+"\n"+dir+"\n-n\n"+at("last"), 0o600)
	write("last", "l", 0o600)
	cmd := exec.Command("/bin/sh", "-c", work.PrewarmLine(domain.SystemLinux, []string{at("missing"), at("it's a list")}))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	seen, err := os.ReadFile(at("seen"))
	if want := []string{at("a file"), at("b$(touch evil)"), at("last")}; err != nil || !slices.Equal(strings.Split(strings.TrimSpace(string(seen)), "\n"), want) {
		t.Errorf("it read %q, %v", seen, err)
	}
	if _, err := os.Stat(at("evil")); err == nil {
		t.Error("it did what a file's name says")
	}
	if line := work.PrewarmLine(domain.SystemWindows, []string{`C:\it's`}); !strings.Contains(line, `@('C:\it''s')`) {
		t.Error(line)
	}
	if line := work.PrewarmLine("plan9", []string{"/a"}); line != "" {
		t.Error(line)
	}
}
