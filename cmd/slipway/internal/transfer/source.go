package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"slipway/disk/gate"
	"slipway/fault"
)

// source is a disk to be read, in whatever container it is.
type source struct {
	*os.File       // as it was given
	fileSize int64 //
	mtime    time.Time
	size     int64 // of the disk
	member   string

	disk     *gate.Disk
	data     io.ReaderAt
	unpacked *os.File // has no name; nil: nothing had to be unpacked
}

// diskError is what is wrong with a disk, said to a person.
type diskError struct {
	path string
	err  error
}

func (e *diskError) Error() string { return e.path + ": " + fault.Public(e.err) }
func (e *diskError) Unwrap() error { return e.err }

// refused tells a refusal of the gate from trouble with reading.
func refused(path string, err error) error {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return &diskError{path, err}
	}
	return fmt.Errorf("read %s: %w", path, err)
}

// openSource opens a disk and refuses everything that is none. A compressed one
// is unpacked into dir first.
func openSource(ctx context.Context, o PushOptions, report Reporter) (*source, error) {
	f, err := os.Open(o.Path)
	if err != nil {
		return nil, err
	}
	s := &source{File: f, member: o.Member}
	if err := s.open(ctx, o, report); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the file and drops what was unpacked.
func (s *source) Close() error {
	if s.unpacked != nil {
		s.unpacked.Close()
	}
	return s.File.Close()
}

func (s *source) open(ctx context.Context, o PushOptions, report Reporter) error {
	info, err := s.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return refusal("%s is not a file: give a disk image", o.Path)
	}
	s.fileSize, s.mtime = info.Size(), info.ModTime()
	in := gate.Options{Member: o.Member}
	d, err := gate.Open(holes{s.File, s.fileSize}, s.fileSize, in)
	if err != nil {
		return refused(o.Path, err)
	}
	if d.Packed() {
		if d, err = s.unpack(ctx, d, o, in, report); err != nil {
			return err
		}
	}
	if d.Format != gate.Raw || d.Packed() {
		report.Say("%s is %s; its disk has %d bytes.", o.Path, d, d.VirtualSize)
	}
	for _, w := range d.Warnings {
		report.Say("Note: %s", w)
	}
	if err := d.Check(ctx); err != nil { // all of it, before anything is sent
		return refused(o.Path, err)
	}
	s.disk, s.size = d, d.VirtualSize
	s.data, err = d.ReaderAt()
	return err
}

// unpack brings what is compressed into a file without a name, so that nothing
// stays behind however this ends, and puts that through the gate.
func (s *source) unpack(ctx context.Context, d *gate.Disk, o PushOptions, in gate.Options, report Reporter) (*gate.Disk, error) {
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make a place to unpack in: %w", err)
	}
	f, err := os.CreateTemp(o.StateDir, "unpacked-*")
	if err != nil {
		return nil, fmt.Errorf("make a place to unpack in: %w", err)
	}
	s.unpacked = f
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	report.Say("Unpacking %s (%s) into %s.", o.Path, d, filepath.Dir(f.Name()))
	size, err := d.Unpack(ctx, f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, refused(o.Path, err)
	}
	inner, err := gate.Open(holes{f, size}, size, in)
	if err != nil {
		return nil, refused(o.Path, err)
	}
	if inner.Packed() {
		return nil, refusal("%s is compressed twice: unpack it first", o.Path)
	}
	return inner, nil
}

// span is a run of blocks that may hold data.
type span struct{ first, end int }

// spans lists the runs of blocks that are not holes, in order and apart.
func (s *source) spans() ([]span, error) {
	var out []span
	for e, err := range s.disk.Extents(0) {
		if err != nil {
			return nil, refused(s.Name(), err)
		}
		n := span{int(e.Off / BlockSize), blocksOf(e.Off + e.Len)}
		if last := len(out) - 1; last >= 0 && n.first <= out[last].end {
			out[last].end = max(out[last].end, n.end)
		} else {
			out = append(out, n)
		}
	}
	return out, nil
}

// readBlock fills buf with a block, zeros beyond the end of the disk.
func (s *source) readBlock(i int, buf []byte) error {
	n, err := s.data.ReadAt(buf, int64(i)*BlockSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return refused(s.Name(), err)
	}
	clear(buf[n:])
	return nil
}

// identity tells this disk from every other, for those who go on with a push.
func (s *source) identity(abs string) string {
	id := fmt.Sprintf("%s|%d|%d", abs, s.fileSize, s.mtime.UnixNano())
	if s.member != "" {
		id += "|" + s.member
	}
	return id
}

// unchanged refuses to believe an upload of a disk that was written to
// meanwhile: what arrived may be half old and half new.
func (s *source) unchanged() error {
	info, err := s.Stat()
	if err != nil {
		return err
	}
	if info.Size() != s.fileSize || !info.ModTime().Equal(s.mtime) {
		return refusal("%s was changed while it was read: stop whatever writes to it and push it again", s.Name())
	}
	return nil
}
