package work

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"slipway/disk"
	"slipway/disk/gate"
	"slipway/domain"
	"slipway/fault"
)

// Objects are those of an S3-compatible service, reached with the operator's
// key. Errors: NotFound; Denied; Busy when the object is not the version that
// was asked for any more; others are the service's trouble. The methods may be
// repeated.
type Objects interface {
	Stat(ctx context.Context, bucket, key string) (size int64, etag string, err error)
	// Get reads the version etag from an offset on.
	Get(ctx context.Context, bucket, key, etag string, from int64) (io.ReadCloser, error)
	// Put makes an object, which appears whole or not at all.
	Put(ctx context.Context, bucket, key string, r io.ReaderAt, size int64, progress func(done int64)) error
	// Delete is fine when there is none.
	Delete(ctx context.Context, bucket, key string) error
}

// version tells a file from what it was a moment ago.
type version struct {
	Size int64
	Tag  string // of an object
	Time int64  // of a file
}

const (
	transfersDir = "transfers"
	sourceFile   = "source"
	unpackedFile = "disk"
	firstBytes   = 1 << 20 // what is judged before the rest is fetched
)

// transferDir is what a task keeps on this machine while it is active.
func (w *World) transferDir(task domain.Key) string {
	return filepath.Join(w.DataDir, transfersDir, task.Name)
}

// sourceFault keeps a step from being tried again where that cannot help: what
// the gate refused, and a full disk, which is to be left clean.
func sourceFault(err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f) && (f.Kind == fault.Incompatible || f.Code == "disk-full"):
		return GiveUp(err)
	case errors.As(err, &f):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return GiveUp(diskFull(err))
	}
	return err
}

func diskFull(err error) error {
	return fault.Wrap(fault.Unavailable, err, "The server's disk is full.").
		WithHint("What was written was removed. The operator can free space in the data directory.").WithCode("disk-full")
}

// roomFor refuses what cannot fit; a quarter of a gigabyte is left to the rest
// of the server.
func (w *World) roomFor(bytes int64) error {
	const spare = 256 << 20
	var st syscall.Statfs_t
	if err := syscall.Statfs(w.DataDir, &st); err != nil {
		return fault.Wrap(fault.Internal, err, "The free space could not be found out.")
	}
	if free := int64(st.Bavail) * st.Bsize; free-spare < bytes {
		return GiveUp(diskFull(fmt.Errorf("%d bytes are needed, %d are free", bytes, free)))
	}
	return nil
}

// intakeFetch brings an object here; a file of this machine is read where it
// lies.
func (w *World) intakeFetch(ctx context.Context, r *Run, s *intakeState) error {
	t, err := w.intakeSays(ctx, r, "downloading", nil)
	if err != nil {
		return err
	}
	if t.Source.Bucket == "" {
		s.Source, err = w.fileVersion(t.Source.Path)
		return err
	}
	size, tag, err := w.objects().Stat(ctx, t.Source.Bucket, t.Source.Key)
	if err != nil {
		return noAccess(err, "S3 object "+t.Source.Bucket+"/"+t.Source.Key)
	}
	s.Source = version{Size: size, Tag: tag}
	if err := w.judgeFirst(ctx, t, s.Source); err != nil {
		return err
	}
	if err := w.roomFor(size); err != nil {
		return err
	}
	return w.download(ctx, r, t, s.Source)
}

// judgeFirst refuses by the first bytes, before the rest is moved.
func (w *World) judgeFirst(ctx context.Context, t *domain.ImportTask, v version) error {
	body, err := w.objects().Get(ctx, t.Source.Bucket, t.Source.Key, v.Tag, 0)
	if err != nil {
		return noAccess(err, "S3 object")
	}
	defer body.Close()
	first, err := io.ReadAll(io.LimitReader(body, min(v.Size, firstBytes)))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The object could not be read.")
	}
	_, err = gate.Sniff(first, v.Size, gate.Options{Declared: declared(t.Source.Format)})
	return sourceFault(err)
}

// download goes on where an earlier try stopped, as long as the object is the
// same. The file's name has its version in it.
func (w *World) download(ctx context.Context, r *Run, t *domain.ImportTask, v version) (err error) {
	const what = "The object could not be written."
	path := w.fetched(t.Key, v)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(fault.Internal, err, what)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fault.Wrap(fault.Internal, err, what)
	}
	defer func() { err = sourceFault(errors.Join(err, f.Close())) }()
	st, err := f.Stat()
	if err != nil || st.Size() >= v.Size {
		return err
	}
	at := st.Size()
	body, err := w.objects().Get(ctx, t.Source.Bucket, t.Source.Key, v.Tag, at)
	if err != nil {
		return noAccess(err, "S3 object")
	}
	defer body.Close()
	out, buf := &disk.SparingFile{File: f}, make([]byte, 1<<20)
	for at < v.Size {
		n, err := io.ReadFull(body, buf[:min(int64(len(buf)), v.Size-at)])
		if n > 0 {
			if err := disk.WriteSparse(out, buf[:n], at); err != nil {
				return err
			}
			at += int64(n)
			if err := f.Truncate(at); err != nil {
				return err
			}
			r.Progress(at, v.Size, "downloading")
		}
		if err != nil && at < v.Size {
			return fault.Wrap(fault.Unavailable, err, "The object could not be read to its end.")
		}
	}
	return f.Sync()
}

// fetched is where an object of this version lies.
func (w *World) fetched(task domain.Key, v version) string {
	return filepath.Join(w.transferDir(task), fmt.Sprintf("%s-%x", sourceFile, v.Tag+fmt.Sprint(v.Size)))
}

func (w *World) intakeForget(_ context.Context, r *Run, _ *intakeState) error {
	if err := os.RemoveAll(w.transferDir(r.Job().Subject)); err != nil {
		return fault.Wrap(fault.Internal, err, "What was fetched could not be removed.")
	}
	return nil
}

func (w *World) objects() Objects {
	if w.Objects == nil {
		return noObjects{}
	}
	return w.Objects
}

// noAccess puts the service's refusals into EC2's words.
func noAccess(err error, what string) error {
	switch fault.KindOf(err) {
	case fault.Denied:
		return GiveUp(fault.Wrap(fault.Denied, err, "We do not have access to the given resource. Reason 403 Forbidden").WithCode(codeOfAccess))
	case fault.NotFound:
		return GiveUp(fault.Wrap(fault.NotFound, err, "The given %s does not exist.", what).WithCode(codeOfAccess))
	}
	return err
}

// openFile opens a file below the operator's directory. Links inside it are
// followed as long as they stay inside.
func (w *World) openFile(path string) (*os.File, error) {
	if w.ImportDir == "" {
		return nil, GiveUp(fault.New(fault.Unsupported, "This server reads no files of its machine any more.").WithHint("The operator allows a directory with --import-dir."))
	}
	root, err := os.OpenRoot(w.ImportDir)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The directory of imports could not be opened.")
	}
	defer root.Close()
	// A pipe must not hold the step up.
	f, err := root.OpenFile(filepath.FromSlash(path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noAccess(fault.Wrap(fault.NotFound, err, "no file"), "file")
	case err != nil:
		return nil, noAccess(fault.Wrap(fault.Denied, err, "no access"), "file")
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = GiveUp(fault.New(fault.Incompatible, "The Url names no regular file.").WithHint("Give a disk image: raw, qcow2, VMDK, VHD, VHDX or OVA.").WithCode("NOT_A_DISK"))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (w *World) fileVersion(path string) (version, error) {
	f, err := w.openFile(path)
	if err != nil {
		return version{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return version{}, fault.Wrap(fault.Unavailable, err, "The file could not be read.")
	}
	return version{Size: st.Size(), Time: st.ModTime().UnixNano()}, nil
}

// openSource opens the file that was fetched, or lies here, in the version that
// the task began with.
func (w *World) openSource(t *domain.ImportTask, s *intakeState) (*disk.SparseFile, error) {
	if t.Source.Bucket != "" {
		return disk.OpenSparse(w.fetched(t.Key, s.Source))
	}
	if err := w.unchanged(t, s); err != nil {
		return nil, err
	}
	f, err := w.openFile(t.Source.Path)
	if err != nil {
		return nil, err
	}
	return disk.NewSparse(f)
}

// unchanged refuses a file that somebody writes to meanwhile.
func (w *World) unchanged(t *domain.ImportTask, s *intakeState) error {
	if t.Source.Bucket != "" {
		return nil
	}
	now, err := w.fileVersion(t.Source.Path)
	if err != nil {
		return err
	}
	if now != s.Source {
		return GiveUp(fault.New(fault.Incompatible, "The file was changed while it was imported.").
			WithHint("Import it again when nobody writes to it.").WithCode("DISK_CHANGED"))
	}
	return nil
}

// noObjects is the service of a server without one.
type noObjects struct{}

func (noObjects) refuse() error {
	return GiveUp(fault.New(fault.Unsupported, "This server reads and writes no buckets any more.").WithHint("The operator names an S3-compatible endpoint with --s3-endpoint."))
}
func (o noObjects) Stat(context.Context, string, string) (int64, string, error) {
	return 0, "", o.refuse()
}
func (o noObjects) Get(context.Context, string, string, string, int64) (io.ReadCloser, error) {
	return nil, o.refuse()
}
func (o noObjects) Put(context.Context, string, string, io.ReaderAt, int64, func(int64)) error {
	return o.refuse()
}
func (o noObjects) Delete(context.Context, string, string) error { return nil }
