package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// check is one thing doctor looked at.
type check struct {
	Name     string   `json:"name"`
	Level    string   `json:"level"` // ok, warn, fail
	Found    string   `json:"found"`
	Remedy   string   `json:"remedy,omitempty"`
	Packages []string `json:"packages,omitempty"` // Debian packages that would help
}

const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

// diagnosis is what doctor prints with --json.
type diagnosis struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
	Apt    string  `json:"apt,omitempty"` // one line that installs what is missing
}

func doctorCommand() *command {
	return &command{
		name:    "doctor",
		summary: "Say what this machine can do, and what is missing",
		long: `
Looks at hardware virtualisation (by running a virtual processor, since the
device may open and still not work), firmware, TPM, sandbox, free disk and the
data directory. Exits with 1 when something without which no machine can run is
missing.`,
		setup: func(fs *flag.FlagSet) action {
			dir := fs.String("data-dir", defaultDataDir(), "look at this data `dir`ectory; also SLIPWAY_DATA")
			asJSON := jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				d := diagnose(append(probeHost(ctx), checkDataDir(*dir)...))
				if *asJSON {
					if err := printJSON(io.out, d); err != nil {
						return err
					}
				} else {
					printDiagnosis(io, d)
				}
				if !d.OK {
					return errQuiet
				}
				return nil
			}
		},
	}
}

func diagnose(checks []check) diagnosis {
	d := diagnosis{OK: true, Checks: checks}
	var packages []string
	for _, c := range checks {
		if c.Level == levelFail {
			d.OK = false
		}
		if c.Level != levelOK {
			packages = append(packages, c.Packages...)
		}
	}
	slices.Sort(packages)
	if packages = slices.Compact(packages); len(packages) > 0 {
		d.Apt = "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
	}
	return d
}

func printDiagnosis(io streams, d diagnosis) {
	for _, c := range d.Checks {
		fmt.Fprintf(io.out, "%-4s  %-18s %s\n", c.Level, c.Name, c.Found)
		if c.Remedy != "" && c.Level != levelOK {
			fmt.Fprintf(io.out, "%26s%s\n", "", c.Remedy)
		}
	}
	if d.Apt != "" {
		fmt.Fprintf(io.out, "\nTo install what is missing:\n  %s\n", d.Apt)
	}
}

// lowDisk is how much free space a server should start with: one Windows image
// and room for its overlay.
const lowDisk = 40 << 30

func checkDataDir(dir string) []check {
	if dir == "" {
		return []check{{Name: "data dir", Level: levelFail, Found: "there is no home directory", Remedy: "Name a directory with --data-dir or SLIPWAY_DATA."}}
	}
	// The directory is made by the first start: until then, its nearest
	// existing parent decides.
	at := dir
	for {
		_, err := os.Stat(at)
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	w := check{Name: "data dir", Level: levelOK, Found: dir + " can be written"}
	if f, err := os.CreateTemp(at, ".slipway-doctor-*"); err != nil {
		w.Level, w.Found = levelFail, fmt.Sprintf("%s cannot be written: %v", dir, err)
		w.Remedy = "Name another directory with --data-dir, or change its owner."
	} else {
		f.Close()
		os.Remove(f.Name())
	}
	free := check{Name: "free disk", Level: levelOK}
	var s syscall.Statfs_t
	if err := syscall.Statfs(at, &s); err != nil {
		free.Level, free.Found = levelWarn, fmt.Sprintf("unknown: %v", err)
		return []check{w, free}
	}
	n := int64(s.Bavail) * int64(s.Bsize)
	free.Found = fmt.Sprintf("%s free at %s", gib(n), at)
	if n < lowDisk {
		free.Level, free.Remedy = levelWarn, "A Windows image takes 30 GiB and more: use a larger disk for --data-dir."
	}
	return []check{w, free}
}
