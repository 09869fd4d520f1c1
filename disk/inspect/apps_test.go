package inspect

import (
	"bytes"
	"image/png"
	"os"
	"strings"
	"testing"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/rules"
)

// The catalogue of an import, entry by entry: what is there, in any case of
// letters, what is not, and the program's own icon.
func TestApps(t *testing.T) {
	path := fixtureDisk(t, fixture.WindowsServer2022, fixture.Options{})
	ask := []facts.App{
		{Path: `c:\WINDOWS\Notepad.EXE`},
		{Path: `C:\Program Files\None\none.exe`},
		{Path: `D:\Windows\notepad.exe`},
		{Path: `notepad.exe`},
		{Path: `C:\Windows\notepad.exe`, Icon: `C:\none.png`, Manifest: `C:\Windows\prewarm.txt`},
		{Path: `C:\Windows\prewarm.txt`, Icon: `C:\Windows\prewarm.txt`, Manifest: `C:\none.txt`},
	}
	seen, err := Apps(t.Context(), os.Args[0], path, ask)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(seen[0].IconPNG))
	if err != nil || m.Bounds().Dx() != fixture.IconSize {
		t.Errorf("icon: %v", err)
	}
	var apps []rules.App
	for i, a := range ask {
		apps = append(apps, rules.App{Name: string(rune('a' + i)), App: a})
	}
	var got []string
	for _, f := range rules.Applications(facts.Facts{OS: facts.Windows}, apps, seen) {
		got = append(got, f.Code[len("application-"):]+":"+strings.Fields(f.Found)[len(strings.Fields(f.Found))-1])
		if f.Severity != rules.Block || f.Remedy == "" || f.Where == "" {
			t.Errorf("%+v", f)
		}
	}
	if len(got) != 8 {
		t.Errorf("findings %q %+v", got, seen)
	}
	if s := seen[4]; !s.IconMissing || s.Lines != 2 || s.MissingNumber != 1 || s.MissingLines[0] != `C:\Windows\gone.dll` {
		t.Errorf("%+v", s)
	}
	if seen[3].Problem == "" || seen[2].Found || !seen[5].NoManifest || seen[5].IconProblem == "" {
		t.Errorf("%+v", seen)
	}
}

func TestAppsOnLinux(t *testing.T) {
	path := fixtureDisk(t, fixture.Ubuntu2404, fixture.Options{})
	seen, err := Apps(t.Context(), os.Args[0], path, []facts.App{{Path: "/etc/os-release"}, {Path: "/usr/bin/none"}, {Path: `C:\x.exe`}})
	if err != nil || !seen[0].Found || seen[1].Found || seen[2].Found {
		t.Errorf("%+v %v", seen, err)
	}
}
