// Package backup copies what a data directory holds, while a server runs on it
// or not, and makes a data directory of such a copy.
//
// The copy is of one commit of the store: the disks are held open first, then
// the store is copied, then what appeared in between is held too, so that every
// disk that the copy refers to is there. Sealed disks never change, so they are
// linked or streamed while the server goes on. What is being worked on
// (machines, overlays, uploads that are not complete) is left out: jobs begin
// anew, or fail and say so.
//
// What may not live here: the store's own file format (store/sqlite gives
// Copy), and the files of disks (disk does).
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Version is the version of the form of a backup.
const Version = 1

// Options are what both directions need.
type Options struct {
	DataDir  string
	Database string                                                  // the store's file in a data directory
	Copy     func(ctx context.Context, dir, to string) error         // the store of a directory as of one commit
	Open     func(dir string) (store.Store, error)                   // a store that nobody else uses
	Check    func(ctx context.Context, dir string) ([]string, error) // what is wrong with a data directory
	Program  string                                                  // the version of the program
	Clock    domain.Clock
	Progress func(done, total int64) // of bytes; may be nil
}

// Head is at the beginning of a backup.
type Head struct {
	Version int       `json:"version"`
	Layout  int       `json:"layout"` // of the disks
	Program string    `json:"program"`
	At      time.Time `json:"at"`
}

// Manifest is at its end: a backup without one was cut short.
type Manifest struct {
	Head
	Disks []disk.Digest     `json:"disks"`
	Bytes int64             `json:"bytes"` // of data on them
	Files map[string]string `json:"files"` // path → SHA-256
	// Lost are disks that something stands on and that were damaged or missing;
	// they are not in the backup.
	Lost []disk.Digest `json:"lost,omitempty"`
	// LeftOut says what is not in a backup.
	LeftOut []string `json:"left_out"`
}

const (
	headFile     = "slipway-backup.json"
	manifestFile = "manifest.json"
	disksDir     = "disks"
)

var leftOut = []string{"machines and what they wrote, image builders' changes too", "uploads that were not complete", "client.json, which every start writes anew"}

// sink is where a backup goes.
type sink interface {
	file(ctx context.Context, name, path string) (sum string, err error)
	json(name string, v any) error
	disk(ctx context.Context, h *disk.Held) error
	close() error
	// check reads everything back.
	check(ctx context.Context, m *Manifest) error
}

// Write makes a backup: of a name that ends in .tar one file, else a directory.
// It appears under its name when it was read back and found whole. Errors:
// Exists.
func Write(ctx context.Context, o Options, to string) (*Manifest, error) {
	if _, err := os.Lstat(to); err == nil {
		return nil, fault.New(fault.Exists, "%s exists.", to).WithHint("Name a file or directory that does not.")
	}
	if _, err := os.Stat(filepath.Join(o.DataDir, o.Database)); err != nil {
		return nil, fault.New(fault.NotFound, "%s holds no server's data.", o.DataDir).WithHint("Name the data directory with --data-dir.")
	}
	work := to + ".partial"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o700)); err != nil {
		return nil, failed(err)
	}
	defer os.RemoveAll(work) // gone after the rename
	g, err := gather(ctx, o, work)
	if err != nil {
		return nil, err
	}
	defer g.release()
	made := filepath.Join(work, "backup")
	var out sink
	if strings.HasSuffix(to, ".tar") {
		out, err = newTar(made, o.Database)
	} else {
		out, err = newDir(made)
	}
	if err != nil {
		return nil, failed(err)
	}
	m, err := g.write(ctx, o, out)
	if err = errors.Join(err, out.close()); err != nil {
		return nil, failed(err)
	}
	if err := out.check(ctx, m); err != nil {
		return nil, failed(err)
	}
	return m, failed(errors.Join(os.Rename(made, to), syncDir(filepath.Dir(to))))
}

func (g *gathered) write(ctx context.Context, o Options, out sink) (*Manifest, error) {
	m := &Manifest{Head: Head{Version, disk.Layout, o.Program, o.Clock.Now().UTC()}, Files: map[string]string{}, LeftOut: leftOut}
	if err := out.json(headFile, m.Head); err != nil {
		return nil, err
	}
	add := func(name, path string) error {
		sum, err := out.file(ctx, name, path)
		if errors.Is(err, fs.ErrNotExist) { // logs come and go
			return nil
		}
		m.Files[name] = sum
		return err
	}
	if err := add(o.Database, filepath.Join(g.dir, o.Database)); err != nil {
		return nil, err
	}
	for _, name := range g.files {
		if err := add(name, filepath.Join(o.DataDir, name)); err != nil {
			return nil, err
		}
	}
	var total, done int64
	for _, h := range g.held {
		total += h.DataBytes
	}
	for _, d := range g.order {
		h := g.held[d]
		err := out.disk(ctx, h)
		if damaged(err) {
			m.Lost = append(m.Lost, d)
			continue
		} else if err != nil {
			return nil, err
		}
		m.Disks, m.Bytes = append(m.Disks, d), m.Bytes+h.DataBytes
		if done += h.DataBytes; o.Progress != nil {
			o.Progress(done, total)
		}
	}
	m.Lost = append(m.Lost, g.lost...)
	return m, out.json(manifestFile, m)
}

func damaged(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == "disk-damaged"
}

// failed gives what the operating system said a sentence.
func failed(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "The copy could not be written or read: %v.", err)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// newer refuses a backup that this program does not understand.
func (h Head) newer() error {
	if h.Version > Version || h.Layout > disk.Layout {
		return fault.New(fault.Incompatible, "The backup was made by a newer version of this program, %s (form %d, layout %d; this one knows %d and %d).",
			h.Program, h.Version, h.Layout, Version, disk.Layout).WithHint("Restore it with that version.")
	}
	if h.Version < 1 {
		return fault.New(fault.BadValue, "This is no backup of Slipway.")
	}
	return nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.BadValue, "This is no whole backup of Slipway: %s is missing.", filepath.Base(path)).WithHint("A backup that was cut short cannot be restored: use another.")
	} else if err != nil {
		return failed(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.Wrap(fault.BadValue, err, "This is no whole backup of Slipway: %s is damaged.", filepath.Base(path))
	}
	return nil
}
