package work

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/gate"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type exportDiskState struct{ Bytes int64 }

// exportDisk writes an AMI's disk in a format and puts it where it was asked
// for; it appears there whole.
func (w *World) exportDisk() Workflow {
	return Define(domain.FlowExportImage, 1, []Step[exportDiskState]{
		{Name: "begin", Do: w.exportBegin, Undo: w.exportDiskFailed},
		{Name: "convert", Do: w.exportConvert, Undo: w.exportForget},
		{Name: "deliver", Do: w.exportDeliver, Undo: w.exportTakeBack},
		{Name: "complete", Do: w.exportDone, NoReturn: true},
	})
}

func (w *World) exportSays(ctx context.Context, r *Run, message string) (*domain.ExportImageTask, error) {
	return edit(ctx, w.Store, r.Job().Subject, func(_ store.Tx, t *domain.ExportImageTask) error {
		t.Message = message
		return nil
	})
}

func (w *World) exportBegin(ctx context.Context, r *Run, _ *exportDiskState) error {
	_, err := w.exportSays(ctx, r, "validating")
	return err
}

func (w *World) exportDiskFailed(ctx context.Context, r *Run, _ *exportDiskState) error {
	key, cause := r.Job().Subject, r.Cause()
	why := "ClientError: " + fault.Public(cause)
	switch fault.KindOf(cause) {
	case fault.Canceled:
		why = "Canceled: " + fault.Public(cause)
	case fault.Internal, fault.Unavailable, fault.Busy:
		why = "ServerError: " + fault.Public(cause)
	}
	return move(ctx, w.Store, key, domain.TaskBroke, why, func(tx store.Tx, t *domain.ExportImageTask) error {
		t.Message = why
		return tx.Unrefer(key, domain.DiskKey(t.Disk))
	})
}

// made is where the file lies before it is delivered.
func (w *World) made(t *domain.ExportImageTask) string {
	return filepath.Join(w.transferDir(t.Key), "disk."+t.Format)
}

func (w *World) exportConvert(ctx context.Context, r *Run, s *exportDiskState) error {
	t, err := w.exportSays(ctx, r, "converting")
	if err != nil {
		return err
	}
	d, err := disk.ParseDigest(t.Disk)
	if err != nil {
		return err
	}
	out := w.made(t)
	if err := os.MkdirAll(filepath.Dir(out), 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, "The disk could not be converted.")
	}
	res, err := w.converter().File(ctx, w.Disks.Path(d), out, convert.Options{
		Format: gate.Format(t.Format), Digest: d, Name: t.ImageID, Replace: true, Progress: r.Progress,
	})
	if fault.Is(err, fault.NotFound) {
		return GiveUp(fault.Wrap(fault.NotAvailable, err, "The disk of the image is not there any more."))
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Code == "program-missing" {
		return GiveUp(err)
	}
	if err != nil {
		return sourceFault(err)
	}
	s.Bytes = res.FileBytes
	return nil
}

func (w *World) converter() *convert.Converter {
	if w.Convert == nil {
		return new(convert.Converter)
	}
	return w.Convert
}

func (w *World) exportForget(_ context.Context, r *Run, _ *exportDiskState) error {
	if err := os.RemoveAll(w.transferDir(r.Job().Subject)); err != nil {
		return fault.Wrap(fault.Internal, err, "The converted disk could not be removed.")
	}
	return nil
}

func (w *World) exportDeliver(ctx context.Context, r *Run, s *exportDiskState) error {
	t, err := w.exportSays(ctx, r, "uploading")
	if err != nil {
		return err
	}
	f, err := disk.OpenSparse(w.made(t))
	if err != nil {
		return err
	}
	defer f.Close()
	if t.Dir {
		return w.deliverFile(ctx, r, f, t.Object)
	}
	err = w.objects().Put(ctx, t.Bucket, t.Object, f, f.Size(), func(done int64) { r.Progress(done, f.Size(), "uploading") })
	return noAccess(err, "S3 bucket "+t.Bucket)
}

// part is what a file is called until it is whole.
func part(object string) string {
	return filepath.Join(filepath.Dir(object), "."+filepath.Base(object)+".part")
}

// deliverFile copies the file below the operator's directory, holes and all; it
// appears by a rename.
func (w *World) deliverFile(ctx context.Context, r *Run, f *disk.SparseFile, object string) error {
	const what = "The file could not be written into the directory of imports."
	if w.ImportDir == "" {
		return GiveUp(fault.New(fault.Unsupported, "This server writes no files of its machine any more.").WithHint("The operator allows a directory with --import-dir."))
	}
	root, err := os.OpenRoot(w.ImportDir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what)
	}
	defer root.Close()
	object = filepath.FromSlash(object)
	if err := root.MkdirAll(filepath.Dir(object), 0o755); err != nil {
		return fault.Wrap(fault.Denied, err, what)
	}
	out, err := root.OpenFile(part(object), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fault.Wrap(fault.Denied, err, what)
	}
	err = copySparse(ctx, out, f, func(done int64) { r.Progress(done, f.Size(), "copying") })
	if err = errors.Join(err, out.Close()); err == nil {
		err = root.Rename(part(object), object)
	}
	if err != nil {
		return sourceFault(errors.Join(err, ignoreMissing(root.Remove(part(object)))))
	}
	return nil
}

// ignoreMissing: where a file stands in a directory's place, nothing lies below.
func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

func copySparse(ctx context.Context, out *os.File, f *disk.SparseFile, progress func(int64)) error {
	if err := out.Truncate(f.Size()); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for e, err := range f.Extents(0) {
		if err != nil {
			return err
		}
		for off := e.Off; off < e.Off+e.Len; off += int64(len(buf)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(int64(len(buf)), e.Off+e.Len-off)]
			if _, err := f.ReadAt(b, off); err != nil {
				return err
			}
			if err := disk.WriteSparse(out, b, off); err != nil {
				return err
			}
			progress(off)
		}
	}
	return out.Sync()
}

func (w *World) exportTakeBack(ctx context.Context, r *Run, _ *exportDiskState) error {
	t, err := read[domain.ExportImageTask](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return err
	}
	if !t.Dir {
		return w.objects().Delete(ctx, t.Bucket, t.Object)
	}
	if w.ImportDir == "" {
		return nil
	}
	root, err := os.OpenRoot(w.ImportDir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The directory of imports could not be opened.")
	}
	defer root.Close()
	object := filepath.FromSlash(t.Object)
	if err := errors.Join(ignoreMissing(root.Remove(object)), ignoreMissing(root.Remove(part(object)))); err != nil {
		return fmt.Errorf("take the exported file back: %w", err)
	}
	return nil
}

func (w *World) exportDone(ctx context.Context, r *Run, s *exportDiskState) error {
	key := r.Job().Subject
	err := move(ctx, w.Store, key, domain.TaskDone, "", func(tx store.Tx, t *domain.ExportImageTask) error {
		t.Message, t.FileBytes = "completed", s.Bytes
		return tx.Unrefer(key, domain.DiskKey(t.Disk))
	})
	if err != nil {
		return err
	}
	return w.exportForget(ctx, r, s)
}
