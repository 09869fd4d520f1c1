package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"slipway/disk"
	"slipway/fault"
)

// dirSink makes a backup that is a data directory itself, but for its two JSON
// files.
type dirSink struct{ root string }

func newDir(root string) (*dirSink, error) { return &dirSink{root}, os.Mkdir(root, 0o700) }

func (s *dirSink) at(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

func (s *dirSink) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.at(name), append(b, '\n'), 0o600)
}

func (s *dirSink) file(_ context.Context, name, path string) (string, error) {
	return copyFile(path, s.at(name))
}

// copyFile copies as much of a file as it has now and tells the SHA-256 of that.
func copyFile(from, to string) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.CopyN(io.MultiWriter(out, sum), in, st.Size())
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, out.Sync(), out.Close())
}

func (s *dirSink) disk(ctx context.Context, h *disk.Held) error {
	if _, err := h.Give(ctx, s.at(disksDir)); err != nil {
		return err
	}
	st, err := disk.Open(s.at(disksDir))
	if err != nil {
		return err
	}
	err = st.Verify(ctx, h.Digest, nil)
	if damaged(err) {
		err = errors.Join(err, st.Remove(ctx, h.Digest))
	}
	return err
}

func (s *dirSink) close() error { return syncDir(s.root) }

func (s *dirSink) check(_ context.Context, m *Manifest) error {
	for name, want := range m.Files {
		if err := sameSum(s.at(name), name, want); err != nil {
			return err
		}
	}
	return nil // the disks were verified one by one
}

func sameSum(path, name, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return fault.New(fault.BadValue, "%s in the backup is damaged.", name).WithHint("Use another backup.")
	}
	return nil
}
