package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/disk"
	"slipway/disk/gate"
	"slipway/fault"
)

// Converter writes disks in other formats. The zero value works; its fields are
// for tests and for whoever wants to know.
type Converter struct {
	Run   Runner                           // nil: processes of this machine
	Warn  func(text string)                // told, once, what the sandbox lacks; nil: nobody is
	Stall time.Duration                    // give up when nothing moves for so long; 0: 5 minutes
	Find  func(program string) string      // where a program is, "" nowhere; nil: in PATH
	Free  func(dir string) (uint64, error) // bytes free there; nil: the file system is asked

	sandbox sandbox
}

// Options say what to write.
type Options struct {
	Format gate.Format
	// Digest is that of the source when it is known (a sealed disk's); it saves
	// reading the source once more.
	Digest disk.Digest
	// Name is the machine's in an OVA; "" takes the file's.
	Name string
	// Replace allows a file of that name to be replaced.
	Replace bool
	// Progress may be nil. done and total are hundredths of a percent.
	Progress func(done, total int64, note string)
}

// Result is what was written.
type Result struct {
	Format      gate.Format
	VirtualSize int64
	FileBytes   int64 // the file's length
	Digest      disk.Digest
}

// Formats lists what can be written.
func Formats() []gate.Format {
	return []gate.Format{gate.Raw, gate.QCOW2, gate.VMDK, gate.VHD, gate.VHDX, gate.OVA}
}

// NeedsProgram tells whether writing a format takes qemu-img.
func NeedsProgram(f gate.Format) bool { return f != gate.Raw }

// FormatOf finds a format by its name or the extension of a file.
func FormatOf(word string) (gate.Format, bool) {
	word = strings.TrimPrefix(strings.ToLower(word), ".")
	switch word {
	case "img", "dd", "bin":
		word = string(gate.Raw)
	case "vpc":
		word = string(gate.VHD)
	}
	f := gate.Format(word)
	return f, slices.Contains(Formats(), f)
}

// full is all of the progress.
const full = 10000

// job is one conversion.
type job struct {
	*Converter
	o      Options
	src    *disk.SparseFile
	path   string // of the source
	out    string
	dir    string // beside out; holds everything until it is proved
	size   int64
	data   int64 // bytes of the source that may not be zeros
	notify func(done, total int64, note string)
}

// File writes the raw disk src as out, which appears when it is whole, compared
// with src and on the disk. On any error nothing is left. Repeatable: what a
// killed conversion left beside out goes first.
// Errors: NotFound; Exists; BadValue (the format cannot hold the disk);
// Unavailable (no room, no qemu-img); Internal (the comparison failed).
func (c *Converter) File(ctx context.Context, src, out string, o Options) (res Result, err error) {
	j := &job{Converter: c, o: o, path: src, out: out, notify: o.Progress}
	if j.notify == nil {
		j.notify = func(int64, int64, string) {}
	}
	if j.src, err = disk.OpenSparse(src); err != nil {
		return Result{}, err
	}
	defer j.src.Close()
	j.size = j.src.Size()
	if err := j.check(); err != nil {
		return Result{}, err
	}
	unlock, err := j.begin()
	if err != nil {
		return Result{}, err
	}
	defer func() {
		err = errors.Join(err, wrap(os.RemoveAll(j.dir), "What was made for the conversion could not be removed."))
		unlock()
	}()
	return j.run(ctx)
}

// maxBytes is what a format can hold (VHD specification 1.0; a sparse extent of
// a VMDK; MS-VHDX).
var maxBytes = map[gate.Format]int64{
	gate.Raw: gate.MaxBytes, gate.QCOW2: gate.MaxBytes, gate.VMDK: 2 << 40, gate.OVA: 2 << 40, gate.VHD: 2040 << 30, gate.VHDX: gate.MaxBytes,
}

func (j *job) check() error {
	most, ok := maxBytes[j.o.Format]
	switch {
	case !ok:
		return fault.New(fault.BadValue, "Disks cannot be written as %s.", j.o.Format).WithHint("Choose one of %v.", Formats())
	case j.size == 0:
		return fault.New(fault.BadValue, "The disk has no bytes.")
	case j.size > most:
		return fault.New(fault.BadValue, "A %s holds at most %d GiB; the disk has %d GiB.", j.o.Format, most>>30, j.size>>30).WithHint("Choose qcow2, vhdx or raw.")
	case j.size%512 != 0 && j.o.Format != gate.Raw:
		return fault.New(fault.BadValue, "The disk has %d bytes, no whole number of sectors, which %s cannot express.", j.size, j.o.Format).WithHint("Choose raw.")
	}
	if there, err := os.Lstat(j.out); err == nil && (!j.o.Replace || !there.Mode().IsRegular()) {
		return fault.New(fault.Exists, "%s exists already.", filepath.Base(j.out)).WithHint("Choose another name.")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap(err, "The file could not be written.")
	}
	for e, err := range j.src.Extents(0) {
		if err != nil {
			return wrap(err, "The disk could not be read.")
		}
		j.data += e.Len
	}
	return j.room()
}

// room refuses what cannot fit, as far as that can be known: nobody knows how
// well data compresses.
func (j *job) room() error {
	const least = 1 << 20
	need := j.data
	if j.o.Format == gate.QCOW2 || j.o.Format == gate.VMDK || j.o.Format == gate.OVA {
		need = 0
	}
	free := j.Free
	if free == nil {
		free = freeBytes
	}
	have, err := free(filepath.Dir(j.out))
	if err != nil {
		return wrap(err, "The free space could not be found out.")
	}
	if have < uint64(need)+least {
		return noRoom(nil, fmt.Sprintf("%d MB are needed and %d MB are free.", (need+least)>>20, have>>20))
	}
	return nil
}

func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	return st.Bavail * uint64(st.Bsize), err
}

func noRoom(err error, detail string) error {
	text := "The disk that the file is written to is full."
	if detail != "" {
		text += " " + detail
	}
	return fault.Wrap(fault.Unavailable, err, "%s", text).WithHint("Free space there, or write to another disk; what was written was removed.").WithCode("disk-full")
}

// begin makes the directory of the conversion and holds it against others.
func (j *job) begin() (unlock func(), err error) {
	const what = "The file could not be written."
	j.dir = filepath.Join(filepath.Dir(j.out), "."+filepath.Base(j.out)+".converting")
	if j.dir, err = filepath.Abs(j.dir); err != nil {
		return nil, wrap(err, what)
	}
	if err := os.Mkdir(j.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, wrap(err, what)
	}
	d, err := os.Open(j.dir)
	if err != nil {
		return nil, wrap(err, what)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.Close()
		return nil, fault.Wrap(fault.Busy, err, "%s is being written by another conversion.", filepath.Base(j.out)).WithHint("Wait for it, or end it.")
	}
	left, err := os.ReadDir(j.dir)
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(j.dir, e.Name())))
	}
	if err != nil {
		d.Close()
		return nil, wrap(err, what)
	}
	return func() { d.Close() }, nil
}

// run writes, compares and publishes.
func (j *job) run(ctx context.Context) (Result, error) {
	made, err := j.write(ctx)
	if err != nil {
		return Result{}, wrap(err, "The disk could not be converted.")
	}
	source, err := j.verify(ctx, made, j.o.Digest)
	if err != nil {
		return Result{}, err
	}
	n, err := j.publish(made)
	if err != nil {
		return Result{}, wrap(err, "The file could not be written.")
	}
	j.notify(full, full, "")
	return Result{Format: j.o.Format, VirtualSize: j.size, FileBytes: n, Digest: source}, nil
}

// write makes the file in the directory of the conversion.
func (j *job) write(ctx context.Context) (made string, err error) {
	switch j.o.Format {
	case gate.Raw:
		return j.copyRaw(ctx)
	case gate.OVA:
		return j.pack(ctx)
	}
	return j.qemuImg(ctx, j.o.Format)
}

func (j *job) publish(made string) (int64, error) {
	f, err := os.Open(made)
	if err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if err := os.Chmod(made, 0o644); err != nil {
		return 0, err
	}
	if j.o.Replace {
		err = os.Rename(made, j.out)
	} else {
		err = os.Link(made, j.out) // never over a file that has appeared since
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) {
			err = os.Rename(made, j.out)
		}
	}
	if err != nil {
		return 0, err
	}
	dir, err := os.Open(filepath.Dir(j.out))
	if err != nil {
		return 0, err
	}
	return st.Size(), errors.Join(dir.Sync(), dir.Close())
}

// wrap classifies an error of the operating system and keeps one that is
// classified.
func wrap(err error, what string) error {
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Canceled, err, "The conversion was stopped.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return noRoom(err, "")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.BadValue, err, "%s", what).WithHint("Look at the directory and its permissions.")
	}
	return fault.Wrap(fault.Internal, err, "%s", what)
}
