package work

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
)

// sendInstaller brings an installer's file into the guest, if it is what the
// manifest says.
func (w *World) sendInstaller(ctx context.Context, r *Run, o *guest.Orders, in domain.Installer, name string) (*undeployed, error) {
	f, err := w.installerFile(ctx, in)
	switch {
	case errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound):
		return &undeployed{"INSTALLER_NOT_PROVIDED", "The installer's file " + in.File + " is not where --software says."}, nil
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The installer's file %s could not be read.", in.File)
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The installer's file %s could not be read.", in.File)
	}
	if [32]byte(h.Sum(nil)) != in.Sum() {
		return &undeployed{"INSTALLER_CHANGED", "The installer's file " + in.File + " is not the one whose SHA-256 is in the manifest."}, nil
	}
	return nil, o.Put(ctx, name, f, size, in.Sum(), func(done, total int64) { r.Progress(done, total, "sending "+in.Name) })
}

// installerFile opens an installer's file, of which an object is a copy that is
// gone when it is closed.
func (w *World) installerFile(ctx context.Context, in domain.Installer) (*os.File, error) {
	at := w.Installers
	if at.Bucket == "" {
		return os.Open(filepath.Join(at.Dir, in.File))
	}
	object, err := w.objects().Get(ctx, at.Bucket, at.Prefix+path.Clean(filepath.ToSlash(in.File)), "", 0)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	f, err := w.Disks.Scratch()
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, object); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
