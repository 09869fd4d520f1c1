package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"slipway/fault"
)

// Store keeps uploads, sealed disks and overlays under one directory. All
// methods may be called concurrently. Errors are *fault.Error; besides the
// kinds a method names, any may return Internal (the machine), Unavailable
// (the disk is full) or Canceled (ctx ended).
type Store struct {
	dir  string
	boot string // identifies this boot of the host

	mu      sync.Mutex // guards uploads
	uploads map[string]*upload

	names sync.Mutex // held while a final name appears or disappears, so that pins are seen
	tmpN  atomic.Int64
	spare int64 // bytes that are left free; tests have small disks

	crash func(point string) error // tests only: fails where a crash is simulated
}

// Sealed describes a sealed disk.
type Sealed struct {
	Digest    Digest
	SizeBytes int64 // as a guest sees it, a multiple of BlockSize
	DataBytes int64 // blocks that are not all zeros, in bytes
}

const (
	uploadsDir  = "uploads"
	sealedDir   = "sealed"
	overlaysDir = "overlays"
	tmpDir      = "tmp"

	rawFile    = "raw"
	leavesFile = "leaves"
	diskFile   = "disk.json"
)

// Layout is the version of what this package keeps on disk.
const Layout = 1

const layoutFile = "layout.json"

// Open makes or opens the store in dir and clears what a crash left half made.
// A directory that a newer program laid out is fault.Incompatible.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, ioFault(err, "The disk store could not be opened.")
	}
	for _, d := range []string{uploadsDir, sealedDir, overlaysDir, tmpDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, ioFault(err, "The disk store could not be opened.")
		}
	}
	s := &Store{dir: dir, boot: bootID(), uploads: map[string]*upload{}, spare: minFree}
	if err := s.stamp(); err != nil {
		return nil, err
	}
	left, err := os.ReadDir(s.at(tmpDir))
	if err != nil {
		return nil, ioFault(err, "The disk store could not be opened.")
	}
	for _, e := range left {
		if err := os.RemoveAll(s.at(tmpDir, e.Name())); err != nil {
			return nil, ioFault(err, "The disk store could not be cleaned.")
		}
	}
	return s, nil
}

// stamp says in dir how it is laid out, and refuses what this program does not
// know: it would take files it cannot read for rubbish.
func (s *Store) stamp() error {
	var l struct {
		Layout int `json:"layout"`
	}
	err := readJSON(s.at(layoutFile), &l)
	if errors.Is(err, fs.ErrNotExist) {
		l.Layout = Layout
		return ioFault(writeJSON(s.at(layoutFile), l), "The disk store could not be opened.")
	}
	if err != nil {
		return ioFault(err, "The layout of the disk store could not be read.")
	}
	if l.Layout > Layout {
		return fault.New(fault.Incompatible, "The disks in %s were laid out by a newer version of this program (layout %d, this one knows %d).", s.dir, l.Layout, Layout).
			WithHint("Run the newer version, or restore the backup made before the upgrade.")
	}
	return nil
}

// bootID changes when the host restarts: what was not fsynced may be gone then.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown" // never equal across restarts is not needed: only Linux runs guests
	}
	return strings.TrimSpace(string(b))
}

func (s *Store) at(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// Scratch makes a file without a name, which is gone when it is closed. Errors:
// Unavailable.
func (s *Store) Scratch() (*os.File, error) {
	f, err := os.CreateTemp(s.at(tmpDir), "scratch-")
	if err == nil {
		if err = os.Remove(f.Name()); err != nil {
			f.Close()
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "A file could not be made in the data directory.")
	}
	return f, nil
}

// newTmp makes a directory of its own under tmp.
func (s *Store) newTmp() (string, error) {
	p := s.at(tmpDir, fmt.Sprintf("%d-%d", os.Getpid(), s.tmpN.Add(1)))
	return p, os.Mkdir(p, 0o700)
}

// vanish takes a name away by one durable rename and says where the bytes
// went; the caller frees them with os.RemoveAll outside of any lock, since
// that takes long for large files. Repeatable.
func (s *Store) vanish(path string) (trash string, err error) {
	trash = s.at(tmpDir, fmt.Sprintf("%d-%d", os.Getpid(), s.tmpN.Add(1)))
	if err := os.Rename(path, trash); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return trash, nil
		}
		return trash, err
	}
	return trash, syncDir(filepath.Dir(path))
}

// discard vanishes a name under the names lock and frees the bytes after it.
func (s *Store) discard(path string) error {
	s.names.Lock()
	trash, err := s.vanish(path)
	s.names.Unlock()
	return errors.Join(err, os.RemoveAll(trash))
}

func (s *Store) point(name string) error {
	if s.crash == nil {
		return nil
	}
	return s.crash(name)
}

func checkID(id string) error {
	ok := id != "" && len(id) <= 128 && id[0] != '-'
	for _, r := range id {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		return fault.New(fault.BadValue, "The id %.140q is not made of a-z, 0-9 and hyphens.", id)
	}
	return nil
}

func (s *Store) list(dir string) ([]string, error) {
	es, err := os.ReadDir(s.at(dir))
	if err != nil {
		return nil, ioFault(err, "The disk store could not be listed.")
	}
	names := make([]string, 0, len(es))
	for _, e := range es {
		names = append(names, e.Name())
	}
	sort.Strings(names)
	return names, nil
}

// Uploads lists the ids of all uploads, sealed ones included until DropUpload,
// in order.
func (s *Store) Uploads() ([]string, error) { return s.list(uploadsDir) }

// Overlays lists the ids of all overlays in order.
func (s *Store) Overlays() ([]string, error) { return s.list(overlaysDir) }

// Sealed lists every sealed disk in the order of the digests.
func (s *Store) Sealed() ([]Digest, error) {
	names, err := s.list(sealedDir)
	if err != nil {
		return nil, err
	}
	ds := make([]Digest, 0, len(names))
	for _, n := range names {
		if d, err := ParseDigest(digestPrefix + n); err == nil {
			ds = append(ds, d)
		}
	}
	return ds, nil
}

type diskMeta struct {
	Version   int   `json:"version"`
	SizeBytes int64 `json:"sizeBytes"`
	DataBytes int64 `json:"dataBytes"`
}

func (s *Store) sealedAt(d Digest, parts ...string) string {
	return s.at(append([]string{sealedDir, hex.EncodeToString(d[:])}, parts...)...)
}

// Stat describes a sealed disk. Errors: NotFound.
func (s *Store) Stat(d Digest) (Sealed, error) {
	var m diskMeta
	err := readJSON(s.sealedAt(d, diskFile), &m)
	if errors.Is(err, fs.ErrNotExist) {
		return Sealed{}, noDisk(d)
	}
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return Sealed{}, ioFault(err, "The description of a sealed disk could not be read.")
	}
	if err != nil || m.Version != digestVersion || m.SizeBytes <= 0 || m.SizeBytes%BlockSize != 0 {
		return Sealed{}, fault.Wrap(fault.Internal, err, "The description of sealed disk %s is damaged.", d).WithCode(codeDamaged)
	}
	return Sealed{Digest: d, SizeBytes: m.SizeBytes, DataBytes: m.DataBytes}, nil
}

func noDisk(d Digest) error { return fault.New(fault.NotFound, "There is no sealed disk %s.", d) }

// Path is the file with the bytes of a sealed disk: raw, sparse, mode 0400.
// It says nothing about whether the disk exists; ask Stat.
func (s *Store) Path(d Digest) string { return s.sealedAt(d, rawFile) }

// Allocated is how much space the file system gives to a sealed disk. Errors:
// NotFound.
func (s *Store) Allocated(d Digest) (n int64, err error) {
	for _, name := range []string{rawFile, leavesFile} {
		st, err := os.Stat(s.sealedAt(d, name))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, noDisk(d)
		} else if err != nil {
			return 0, ioFault(err, "The sealed disk could not be looked at.")
		}
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			n += sys.Blocks * 512
		}
	}
	return n, nil
}

// Remove deletes a sealed disk. Repeatable: nil when it is not there.
// Errors: InUse while an overlay stands on it or an upload that became it has
// not been dropped (a Seal of identical content may just have returned it).
func (s *Store) Remove(ctx context.Context, d Digest) error {
	const what = "The sealed disk could not be removed."
	if err := ctx.Err(); err != nil {
		return ioFault(err, what)
	}
	trash, err := s.unpublish(d)
	return ioFault(errors.Join(err, os.RemoveAll(trash)), what)
}

func (s *Store) unpublish(d Digest) (trash string, err error) {
	s.names.Lock()
	defer s.names.Unlock()
	by, err := s.pinnedBy(d)
	if err == nil && by != "" {
		err = fault.New(fault.InUse, "The sealed disk %s is used by %s.", d, by)
	}
	if err != nil {
		return "", err
	}
	return s.vanish(s.sealedAt(d))
}

// Pinned names an upload that became this disk, or an overlay that stands on it;
// "" when there is none and Remove would remove it.
func (s *Store) Pinned(d Digest) (by string, err error) {
	s.names.Lock()
	defer s.names.Unlock()
	by, err = s.pinnedBy(d)
	return by, ioFault(err, "The disk store could not be listed.")
}

// pinnedBy names one upload or overlay that needs d, "" if none.
func (s *Store) pinnedBy(d Digest) (string, error) {
	for _, kind := range []struct{ dir, file, word string }{
		{uploadsDir, recordFile, "upload "}, {overlaysDir, overlayFile, "overlay "}} {
		ids, err := s.list(kind.dir)
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			var ref struct{ Digest Digest }
			err := readJSON(s.at(kind.dir, id, kind.file), &ref)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
			if err == nil && ref.Digest == d {
				return kind.word + id, nil
			}
		}
	}
	return "", nil
}
