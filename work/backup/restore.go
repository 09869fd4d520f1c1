package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"slipway/disk"
	"slipway/fault"
)

// Restore makes a data directory of a backup. It appears under its name when it
// was checked; found tells what the check found, which is what was wrong when
// the backup was made. Errors: Exists when to holds something; BadValue when the
// backup is not whole; Incompatible when a newer program made it.
func Restore(ctx context.Context, o Options, from, to string) (m *Manifest, found []string, err error) {
	if list, err := os.ReadDir(to); err == nil && len(list) > 0 {
		return nil, nil, fault.New(fault.Exists, "%s is not empty.", to).WithHint("Name a directory that is empty or not there.")
	}
	st, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fault.New(fault.NotFound, "There is no backup %s.", from).WithHint("Name the file or directory that slipway backup has made.")
	}
	if err != nil {
		return nil, nil, failed(err)
	}
	work := filepath.Clean(to) + ".restoring"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o700)); err != nil {
		return nil, nil, failed(err)
	}
	defer os.RemoveAll(work) // gone after the rename
	if st.IsDir() {
		m, err = fromDir(ctx, from, o.Database, work)
	} else {
		m, err = fromTar(ctx, from, o.Database, work)
	}
	if err != nil {
		return nil, nil, failed(err)
	}
	if found, err = o.Check(ctx, work); err != nil {
		return nil, nil, err
	}
	err = os.Remove(to)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return m, found, failed(errors.Join(err, os.Rename(work, to), syncDir(filepath.Dir(filepath.Clean(to)))))
}

func fromDir(ctx context.Context, from, database, to string) (*Manifest, error) {
	m := new(Manifest)
	if err := readJSON(filepath.Join(from, headFile), &m.Head); err != nil {
		return nil, err
	}
	if err := m.Head.newer(); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(from, manifestFile), m); err != nil {
		return nil, err
	}
	for name, want := range m.Files {
		if name != database && !fileIn(name) {
			return nil, foreign(name)
		}
		path := filepath.FromSlash(name)
		sum, err := copyFile(filepath.Join(from, path), filepath.Join(to, path))
		if err == nil && sum != want {
			err = fault.New(fault.BadValue, "%s in the backup is damaged.", name).WithHint("Use another backup.")
		}
		if err != nil {
			return nil, err
		}
	}
	s, err := disk.Open(filepath.Join(to, disksDir))
	if err != nil {
		return nil, err
	}
	for _, d := range m.Disks {
		h, err := disk.Hold(filepath.Join(from, disksDir), d)
		if err != nil {
			return nil, err
		}
		_, err = h.Give(ctx, filepath.Join(to, disksDir))
		h.Release()
		if err == nil {
			err = s.Verify(ctx, d, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func fromTar(ctx context.Context, from, database, to string) (*Manifest, error) {
	s, err := disk.Open(filepath.Join(to, disksDir))
	if err != nil {
		return nil, err
	}
	return readTar(ctx, from, database, &unpack{to, s})
}

// unpack writes what is in a tar below a directory.
type unpack struct {
	root  string
	disks *disk.Store
}

func (u *unpack) file(name string, r io.Reader) error {
	path := filepath.Join(u.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

func (u *unpack) disk(ctx context.Context, d disk.Digest, r io.Reader) error {
	return u.disks.Take(ctx, d, r)
}
