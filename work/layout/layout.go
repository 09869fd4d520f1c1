// Package layout says what may lie in a data directory. docs/DISK-LAYOUT.md is
// written from it, slipway fsck finds what it does not name, and so do the tests
// that kill servers: a new kind of file is declared here and nowhere else.
//
// The files themselves belong to those who write them; nothing here reads one.
package layout

//go:generate go run slipway/tools/genlayout -o ../../docs/DISK-LAYOUT.md

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Place is a kind of file, or of directory, in a data directory.
type Place struct {
	// Path is below the data directory. Words in capitals stand for names: DIGEST
	// for 64 hexadecimal digits, others for any. A path that ends in a slash is a
	// directory: of the Files, or of whatever its writer puts there when those
	// are nil.
	Path  string
	Files []string
	What  string // Markdown
	By    string // the package or file that writes it
	// Passing is what goes with something that ends: a machine, an upload, a task.
	Passing bool
}

// Places is all there is.
var Places = []Place{
	{"slipway.db", nil, "resources, references, jobs and the event log (SQLite, WAL)", "store/sqlite", false},
	{"slipway.db-wal", nil, "its log of what is committed and not in it yet", "store/sqlite", false},
	{"slipway.db-shm", nil, "an index of that log", "store/sqlite", false},
	{"slipway.lock", nil, "held by the running server; names its pid", "store/sqlite", false},
	{"client.json", nil, "endpoint, Region and the administrator's key for clients on this machine (0600)", "cmd/slipway/clientfile.go", false},
	{"disks/layout.json", nil, "the version of `disks/`; a program that knows only older ones refuses the directory", "disk/store.go", false},
	{"disks/uploads/ID/", []string{"upload.json", "leaves", "sealed.json", "disk/raw", "disk/leaves", "disk/disk.json"},
		"an upload that takes blocks: `disk/raw`, `leaves` (one SHA-256 per 512 KiB), `upload.json`; `sealed.json` once its seal is decided; `disk/` becomes the sealed disk", "disk/upload.go", true},
	{"disks/sealed/DIGEST/", []string{"raw", "leaves", "disk.json", "checked.json", "checking.json"},
		"a sealed disk: `raw` (sparse, 0400), `leaves`, `disk.json`; `checked.json`, when it was last verified and what was wrong; `checking.json`, how far a verification is", "disk/seal.go, disk/verify.go", false},
	{"disks/overlays/ID/", []string{"overlay.json", "disk.qcow2"},
		"a qcow2 over a sealed disk for one machine (for an image builder: all that was changed in it); names no backing file inside, the machine's command line does", "disk/overlay.go", true},
	{"disks/tmp/", nil, "half-made things; emptied at start", "disk/store.go", true},
	{"transfers/TASK/", nil, "what an import or export task keeps while it is active: `source-VERSION` (an object of a bucket), `disk` (unpacked), or the converted file", "work/import_source.go, work/export_image_task.go", true},
	{"run/ID/", nil, "one machine: `machine.json`, firmware variables, TPM state, sockets, serial log; described file by file in `compute/qemu/files.go`", "compute/qemu", true},
	{"builders/MACHINE/", nil, "an image builder's: `board/` (firmware variables and TPM state, kept while it is off), `screen.png` and `serial.log` of its last start; goes with the builder; like its overlay in no backup of `slipway backup` yet", "work/builder.go", true},
	{"fleets/FLEET/", []string{"screen.png", "serial.log"}, "by `ACCOUNT.REGION.NAME`: the last picture and the log of the newest instance of a fleet that did not come up; goes with the fleet", "work/fleet_instance.go", true},
	{"guest/", nil, "`tools-….iso`, the CD with the guest tools of this server, in the drive of image builders and of instances of fleets; made anew when it is missing", "guest/bundle", false},
	{"evidence/ACCOUNT/REGION/IMAGE/", []string{"screen.png", "serial.log"}, "the picture and the log of an image's validation; goes with the image", "work/evidence.go", false},
	{"icons/DIGEST.png", nil, "pictures of imported applications", "work/image_apps.go", false},
	{"icons.key", nil, "signs the addresses of those pictures", "cmd/slipway/icons.go", false},
	{"audit/DATE.jsonl", nil, "the audit log, one CloudTrail record a line; removed after `--audit-days`", "api/audit", false},
	{"tls/", []string{"cert.pem", "key.pem"}, "the self-signed certificate and its key, with `--tls-self-signed`", "cmd/slipway/listen.go", false},
}

// Strangers lists what lies in a data directory and is nothing of the server's,
// as paths below it. Of a directory that no place is in, only its own name is
// told. What goes away meanwhile is left out.
func Strangers(dir string) (out []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, _ := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		known, on := judge(filepath.ToSlash(rel), e.IsDir())
		if !known {
			out = append(out, rel)
		}
		if e.IsDir() && !on {
			return fs.SkipDir
		}
		return nil
	})
	return out, err
}

// Passing lists what lies in the places that ought to be empty when no machine,
// upload or task is left, as paths below the data directory.
func Passing(dir string) (out []string, err error) {
	for _, p := range Places {
		if !p.Passing {
			continue
		}
		// Whatever lies there, also under a name that no place allows.
		root := filepath.Join(dir, strings.TrimSuffix(words.ReplaceAllString(p.Path, ""), "/"))
		list, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range list {
			rel, err := filepath.Rel(dir, filepath.Join(root, e.Name()))
			if err != nil {
				return nil, err
			}
			out = append(out, rel)
		}
	}
	return out, nil
}

// judge tells whether a path may be there, and whether something below it may
// that has to be judged too.
func judge(rel string, isDir bool) (known, on bool) {
	for _, p := range patterns {
		switch {
		case isDir && p.tree && p.whole.MatchString(rel+"/"):
			return true, false
		case !isDir && !p.tree && p.whole.MatchString(settled(rel)):
			return true, false
		case isDir && p.above.MatchString(rel+"/"):
			known, on = true, true
		}
	}
	return known, on
}

// settled is the name that a file will have which is still being written: such
// ones are left half-written by a kill, and replaced by the next write.
func settled(rel string) string {
	dir, name := filepath.Split(rel)
	if n, ok := strings.CutPrefix(name, ".new-"); ok {
		return dir + n
	}
	if n, ok := strings.CutSuffix(name, ".new"); ok && strings.HasPrefix(n, ".") {
		return dir + n[1:]
	}
	return rel
}

// pattern is one path of a place.
type pattern struct {
	tree  bool           // all below it belongs to its writer
	whole *regexp.Regexp // the path itself
	above *regexp.Regexp // the directories on the way to it, each with its slash
}

var (
	words    = regexp.MustCompile(`[A-Z]{2,}`)
	patterns = compile(Places)
)

func compile(places []Place) (out []pattern) {
	for _, p := range places {
		paths := []string{p.Path}
		if p.Files != nil {
			paths = nil
			for _, f := range p.Files {
				paths = append(paths, p.Path+f)
			}
		}
		for _, path := range paths {
			var above strings.Builder
			whole := ""
			for part := range strings.SplitAfterSeq(path, "/") {
				one := words.ReplaceAllStringFunc(regexp.QuoteMeta(part), func(w string) string {
					if w == "DIGEST" {
						return "[0-9a-f]{64}"
					}
					return "[^/]+"
				})
				whole += one
				if strings.HasSuffix(part, "/") {
					above.WriteString("|" + whole)
				}
			}
			out = append(out, pattern{strings.HasSuffix(path, "/"), regexp.MustCompile("^(?:" + whole + ")$"),
				regexp.MustCompile("^(?:" + strings.TrimPrefix(above.String(), "|") + ")$")})
		}
	}
	return out
}
