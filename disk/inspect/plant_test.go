package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/rules"
)

// setOf is the set that a rule is tested under: the one where it says most.
func setOf(r rules.Rule) rules.Set {
	if r.AWS == "" {
		return rules.BYOL
	}
	return rules.AWS
}

// beside lists what a mistake brings with it.
var beside = map[string]string{
	"bitlocker":      "operating-system",
	"uefi":           "windows-version",
	"disk-truncated": "windows-version",
	"no-nvme":        "windows-version", "no-ena": "windows-version", "initramfs": "windows-version",
	"desktop-letter-d": "desktop-second-volume",
}

// Every mistake that a rule is about is found on a disk that has it, and
// nothing else is found there.
func TestEveryPlantedMistakeIsFound(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var lines []string
	t.Run("plants", func(t *testing.T) {
		for _, r := range rules.Table() {
			if !r.Visible() {
				continue
			}
			p, ok := fixture.PlantOf(r.Code)
			if !ok {
				t.Errorf("no fixture for the rule %s", r.Code)
				continue
			}
			t.Run(r.Code, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "disk.raw")
				if err := fixture.Make(t.Context(), p.Kind, path, p.Options(r.Code)); err != nil {
					t.Fatal(err)
				}
				defer os.Remove(path)
				var hit *rules.Finding
				for _, f := range rules.Evaluate(setOf(r), inspect(t, path)) {
					switch {
					case f.Code == r.Code:
						hit = &f
					case f.Severity != rules.Info && beside[r.Code] != f.Code:
						t.Errorf("also found: %s: %s", f.Code, f.Found)
					}
				}
				if hit == nil {
					t.Fatal("not found")
				}
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, fmt.Sprintf("%s\t%s\t%s %s\t%s %s", r.Code, r.Detect, p.Kind, p.Options(r.Code).Plant, hit.Where, hit.Value))
			})
		}
	})
	slices.Sort(lines)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "RULE\tDETECTED BY\tFIXTURE\tSEEN\n%s\n", strings.Join(lines, "\n"))
	w.Flush()
	t.Logf("%d rules\n%s", len(lines), b.String())
}

// A disk with nothing wrong gets no finding that matters.
func TestCleanDisksHaveNoFindings(t *testing.T) {
	for _, c := range []struct {
		kind fixture.Kind
		size int64
		set  rules.Set
	}{
		{fixture.WindowsServer2022, 30 << 30, rules.AWS}, {fixture.WindowsServer2025, 30 << 30, rules.AWS},
		{fixture.WindowsServer2022, 30 << 30, rules.Open}, {fixture.WindowsServer2025, 30 << 30, rules.Open},
		{fixture.Windows11, fixture.DesktopSize, rules.BYOL}, {fixture.Windows10, fixture.DesktopSize, rules.BYOL},
	} {
		f := inspect(t, fixtureDisk(t, c.kind, fixture.Options{SizeBytes: c.size}))
		for _, x := range rules.Evaluate(c.set, f) {
			if x.Severity != rules.Info {
				t.Errorf("%s under %s: %+v", c.kind, c.set, x)
			}
		}
		if len(f.Problems) > 0 || f.Windows == nil || !f.Windows.FreeKnown {
			t.Errorf("%s: %+v", c.kind, f)
		}
	}
}

// Facts of a full Windows stay far below what an answer may have.
func TestFactsAreSmall(t *testing.T) {
	f := inspect(t, fixtureDisk(t, fixture.WindowsServer2022, fixture.Options{}))
	want := map[string]string{facts.DotNet: "533320", facts.PowerShell: "5.1.20348.1", facts.Language: "0409", facts.EC2LaunchV2: ""}
	for fact, value := range want {
		if s, ok := f.Windows.Sign(fact); !ok || s.Value != value {
			t.Errorf("%s: %+v", fact, s)
		}
	}
	if len(f.Windows.Letters) != 1 || f.Windows.Letters[0] != (facts.Letter{Letter: "C:", Partition: 3}) {
		t.Errorf("letters %+v", f.Windows.Letters)
	}
	if f.ESP.SecureBoot() == "" {
		t.Errorf("ESP %+v", f.ESP)
	}
}
