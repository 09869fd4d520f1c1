package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf16"

	"slipway/disk/facts"
	"slipway/fault"
)

const (
	modeApps = "apps"

	askFD        = 4 // where a worker reads what is asked
	maxAsk       = 1 << 20
	maxAppAnswer = 24 << 20
	maxApps      = 50
	maxManifest  = 8 << 20
	maxLines     = 100_000
	maxMissing   = 20
	maxIconFile  = 1 << 20
)

// Apps looks for applications on the raw disk image at path, in a worker like
// that of Inspect; the answers are in the order of the questions.
// Errors: those of Inspect.
func Apps(ctx context.Context, exe, path string, apps []facts.App) ([]facts.AppSeen, error) {
	f, err := openDisk(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ask, err := json.Marshal(apps)
	if err != nil || len(ask) > maxAsk || len(apps) > maxApps {
		return nil, fault.Wrap(fault.BadValue, err, "The catalogue of applications is too long.")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The inspection could not be started.")
	}
	go func() {
		_, _ = w.Write(ask) // a worker that ends early does not want it
		w.Close()
	}()
	defer r.Close()
	wall, cancel := context.WithTimeout(ctx, wallTime)
	defer cancel()
	cmd := command(wall, exe, modeApps, formatRaw, f)
	cmd.ExtraFiles = append(cmd.ExtraFiles, r)
	var out []facts.AppSeen
	err = converse(ctx, wall, cmd, maxAppAnswer, func(line []byte) error {
		if err := json.Unmarshal(line, &out); err != nil || len(out) != len(apps) {
			return fmt.Errorf("the worker answered %d of %d questions: %w", len(out), len(apps), err)
		}
		return nil
	})
	return out, err
}

// finder is a file system of the disk that can be asked for files.
type finder interface {
	// has tells whether the path exists; fs.ErrNotExist otherwise.
	has(path string) error
	// file opens a file for reading.
	file(path string) (io.ReaderAt, int64, error)
}

// apps is the worker's side.
func apps(disk source, ask io.Reader) (any, error) {
	b, err := io.ReadAll(io.LimitReader(ask, maxAsk))
	if err != nil {
		return nil, err
	}
	var questions []facts.App
	if err := json.Unmarshal(b, &questions); err != nil {
		return nil, err
	}
	f, err := examine(disk)
	if err != nil {
		return nil, err
	}
	find, err := finderOf(disk, f)
	if err != nil {
		return nil, err
	}
	out := make([]facts.AppSeen, 0, len(questions))
	for _, q := range questions {
		var s facts.AppSeen
		if err := guard(func() error { s = lookFor(find, q); return nil }); err != nil {
			s = facts.AppSeen{Problem: err.Error()}
		}
		out = append(out, s)
	}
	return out, nil
}

func finderOf(disk source, f *facts.Facts) (finder, error) {
	number := -1
	switch {
	case f.OS == facts.Windows && f.Windows != nil:
		number = f.Windows.Partition
	case f.OS == facts.Linux && f.Linux != nil:
		number = f.Linux.Partition
	}
	for _, p := range f.Partitions {
		if p.Number != number {
			continue
		}
		switch p.FileSystem {
		case facts.NTFS:
			vol, err := openNTFS(disk, p)
			return windowsFiles{vol}, err
		case facts.Ext, facts.XFS:
			open := openExt
			if p.FileSystem == facts.XFS {
				open = openXFS
			}
			x, err := open(disk, p)
			return linuxFiles{x}, err
		}
	}
	return nil, errors.New("the operating system of the disk is not known")
}

type windowsFiles struct{ vol *ntfsVolume }

// inside turns C:\… into a path of the volume.
func inside(path string) (string, error) {
	p := strings.ReplaceAll(path, "/", `\`)
	if len(p) < 3 || p[1:3] != `:\` {
		return "", fmt.Errorf("%q does not begin with a drive letter", clean(path))
	}
	if p[0] != 'C' && p[0] != 'c' {
		return "", fs.ErrNotExist // an image has one disk, and Windows on it
	}
	return p[3:], nil
}

func (w windowsFiles) has(path string) error {
	p, err := inside(path)
	if err == nil {
		_, err = w.vol.find(p)
	}
	return err
}

func (w windowsFiles) file(path string) (io.ReaderAt, int64, error) {
	p, err := inside(path)
	if err != nil {
		return nil, 0, err
	}
	return w.vol.open(p)
}

type linuxFiles struct{ x linuxFS }

func (l linuxFiles) has(path string) error {
	if !strings.HasPrefix(path, "/") || !l.x.exists(strings.TrimPrefix(path, "/")) {
		return fs.ErrNotExist
	}
	return nil
}

func (l linuxFiles) file(path string) (io.ReaderAt, int64, error) {
	b, err := l.x.readFile(strings.TrimPrefix(path, "/"))
	return bytes.NewReader(b), int64(len(b)), err
}

// lookFor answers one question.
func lookFor(find finder, q facts.App) (s facts.AppSeen) {
	err := find.has(q.Path)
	if s.Found = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Problem = clean(err.Error())
	}
	switch {
	case q.Icon != "":
		iconFrom(find, q.Icon, &s)
	case s.Found:
		if r, size, err := find.file(q.Path); err == nil {
			if pe, err := readPE(r); err == nil {
				s.IconPNG, s.Version = pe.icon(r, size), pe.version(r, size)
			}
		}
	}
	if q.Manifest != "" {
		manifest(find, q.Manifest, &s)
	}
	return s
}

// manifest looks up every line of a list of files to read beforehand.
func manifest(find finder, path string, s *facts.AppSeen) {
	b, err := content(find, path, maxManifest)
	if err != nil {
		s.NoManifest = true
		return
	}
	for line := range strings.Lines(decodeText(b)) {
		line = strings.Trim(strings.TrimSpace(line), `"`)
		if line == "" {
			continue
		}
		if s.Lines++; s.Lines > maxLines {
			return
		}
		if find.has(line) == nil {
			continue
		}
		if s.MissingNumber++; len(s.MissingLines) < maxMissing {
			s.MissingLines = append(s.MissingLines, clean(line))
		}
	}
}

// decodeText reads UTF-8 or, with a byte order mark, UTF-16.
func decodeText(b []byte) string {
	if len(b) >= 2 && b[0] == 0xFF && b[1] == 0xFE {
		u := make([]uint16, len(b)/2-1)
		for i := range u {
			u[i] = le.Uint16(b[2+2*i:])
		}
		return string(utf16.Decode(u))
	}
	return strings.ToValidUTF8(strings.TrimPrefix(string(b), "\ufeff"), "?")
}

// content reads a whole file of at most max bytes.
func content(find finder, path string, max int64) ([]byte, error) {
	if err := find.has(path); err != nil {
		return nil, err
	}
	r, size, err := find.file(path)
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, fmt.Errorf("it has more than %d bytes", max)
	}
	b := make([]byte, size)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}
