package disk

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"slipway/disk/gate"
	"slipway/fault"
)

// FillFromOverlay puts what a guest sees on an overlay, the sealed disk below
// included, into an upload of the same size: Seal then makes a sealed disk of it
// that needs neither. Blocks that the overlay does not touch are copied by the
// kernel and keep their leaves; only the others are hashed. Nobody may write the
// overlay or the upload meanwhile. progress may be nil; done and total are bytes of data.
// Repeatable, and goes on where a crash stopped it.
// Errors: NotFound (upload, overlay, or its base); BadValue when the sizes
// differ; WrongState once a seal was decided; Internal when the overlay is
// damaged.
func (s *Store) FillFromOverlay(ctx context.Context, id, overlay string, progress func(done, total int64)) error {
	const what = "What was changed could not be put together with the disk below."
	path, base, size, err := s.Overlay(overlay)
	if err != nil {
		return err
	}
	u, err := s.upload(id)
	if err != nil {
		return err
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	switch {
	case u.gone.Load():
		return noUpload(id)
	case u.record.Load() != nil:
		return fault.New(fault.WrongState, "The upload %s is complete and takes no more blocks.", id)
	case u.blocks*BlockSize != size:
		return fault.New(fault.BadValue, "The upload has %d blocks; a disk of %d bytes does not fit.", u.blocks, size)
	}
	f := &filler{s: s, u: u, progress: progress, block: make([]byte, BlockSize)}
	if f.progress == nil {
		f.progress = func(int64, int64) {}
	}
	defer f.close()
	if err := f.open(ctx, path, base); err != nil {
		return ioFault(err, what)
	}
	return ioFault(f.fill(ctx), what)
}

// filler is one run of FillFromOverlay.
type filler struct {
	s        *Store
	u        *upload
	progress func(done, total int64)
	files    []*os.File

	top     io.ReaderAt  // the overlay, zeros where it has nothing
	patches []gate.Patch // what it has
	base    *os.File     // nil: nothing lies below
	leaves  *os.File     // of base
	blocks  int64        // of base

	done, total int64
	block       []byte
}

func (f *filler) close() {
	for _, x := range f.files {
		x.Close()
	}
}

func (f *filler) open(ctx context.Context, path string, base Digest) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	f.files = append(f.files, file)
	st, err := file.Stat()
	if err != nil {
		return err
	}
	d, err := gate.Open(file, st.Size(), gate.Options{Declared: gate.QCOW2})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The overlay of a machine is damaged.")
	}
	if f.top, err = d.ReaderAt(); err != nil {
		return err
	}
	for p, err := range d.Patches() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		f.patches = append(f.patches, p)
		if !p.Zero {
			f.total += p.Len
		}
	}
	if base.IsZero() {
		return nil
	}
	below, err := f.s.Stat(base)
	if err != nil {
		return err
	}
	f.total += below.DataBytes
	if f.leaves, f.blocks, err = f.s.openSealed(base, leavesFile); err != nil {
		return err
	}
	f.files = append(f.files, f.leaves)
	if f.base, _, err = f.s.openSealed(base, rawFile); err != nil {
		return err
	}
	f.files = append(f.files, f.base)
	return nil
}

// fill walks the blocks of the base that hold data and those of the patches, in
// order, each once.
func (f *filler) fill(ctx context.Context) error {
	next := int64(0) // patched blocks before it are done
	patched := func(until int64) error {
		for len(f.patches) > 0 {
			i := max(next, f.patches[0].Off/BlockSize)
			if i >= until {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f.merge(i); err != nil {
				return err
			}
			next = i + 1
			for len(f.patches) > 0 && f.patches[0].Off+f.patches[0].Len <= next*BlockSize {
				f.patches = f.patches[1:]
			}
		}
		return nil
	}
	var run []leaf // of blocks of the base that nothing hides, one after another
	var first int64
	flush := func() error {
		err := f.adopt(first, run)
		run = run[:0]
		return err
	}
	if f.base != nil {
		err := walkLeaves(ctx, f.leaves, 0, f.blocks, func(i int64, l leaf) (bool, error) {
			if err := patched(i + 1); err != nil {
				return false, err
			}
			hidden := i < next
			if len(run) > 0 && (hidden || first+int64(len(run)) != i || len(run) == 64) {
				if err := flush(); err != nil {
					return false, err
				}
			}
			if hidden {
				f.tell(BlockSize)
				return true, nil
			}
			if len(run) == 0 {
				first = i
			}
			run = append(run, l)
			return true, nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	return patched(f.u.blocks)
}

func (f *filler) tell(n int64) {
	f.done += n
	f.progress(min(f.done, f.total), f.total)
}

// merge makes one block of what lies below and what the overlay has of it.
func (f *filler) merge(i int64) error {
	at := i * BlockSize
	clear(f.block)
	if f.base != nil && i < f.blocks {
		if n, err := f.base.ReadAt(f.block, at); err != nil && !(errors.Is(err, io.EOF) && n == BlockSize) {
			return err
		}
		var l leaf
		if _, err := f.leaves.ReadAt(l[:], i*leafSize); err != nil {
			return err
		}
		if l == noLeaf {
			l = ZeroSum
		}
		if sumOf(f.block) != l {
			return fault.New(fault.Internal, "Block %d of the disk below is damaged.", i).WithCode(codeDamaged)
		}
	}
	for _, p := range f.patches {
		from, to := max(p.Off, at), min(p.Off+p.Len, at+BlockSize)
		if from >= at+BlockSize {
			break
		}
		if from >= to {
			continue
		}
		part := f.block[from-at : to-at]
		if p.Zero {
			clear(part)
			continue
		}
		if _, err := f.top.ReadAt(part, from); err != nil {
			return err
		}
		f.tell(int64(len(part)))
	}
	return f.u.put(f.s, i, f.block, sumOf(f.block))
}

// adopt copies blocks of the base with their leaves.
func (f *filler) adopt(first int64, leaves []leaf) error {
	for len(leaves) > 0 { // what an earlier run has done
		l, err := f.u.leaf(first)
		if err != nil {
			return err
		}
		if l != leaves[0] {
			break
		}
		f.tell(BlockSize)
		first, leaves = first+1, leaves[1:]
	}
	if len(leaves) == 0 {
		return nil
	}
	// A leaf never stands for bytes that are not there.
	gone := make([]byte, len(leaves)*leafSize)
	have := make([]byte, len(gone))
	if _, err := f.u.leaves.ReadAt(have, first*leafSize); err != nil {
		return err
	}
	for o := 0; o < len(have); o += leafSize {
		if leaf(have[o:o+leafSize]) != noLeaf {
			f.u.present.Add(-1)
		}
	}
	if _, err := f.u.leaves.WriteAt(gone, first*leafSize); err != nil {
		return err
	}
	start, end := first*BlockSize, (first+int64(len(leaves)))*BlockSize
	if err := punch(f.u.data, start, end-start); err != nil { // holes of the base must be holes
		return err
	}
	for off := start; off < end; {
		from, to, ok, err := nextData(f.base, off, end)
		if err != nil {
			return err
		}
		if !ok || from >= end {
			break
		}
		from, to = max(from, off), min(to, end)
		if err := copyRange(f.u.data, f.base, from, to-from); err != nil {
			return err
		}
		off = to
	}
	// The disk begins to write while we go on copying; the seal waits for it, and
	// finds errors then.
	const writeBegin = 2 // SYNC_FILE_RANGE_WRITE
	_ = syscall.SyncFileRange(int(f.u.data.Fd()), start, end-start, writeBegin)
	if err := f.s.point("adopted"); err != nil {
		return err
	}
	for i, l := range leaves {
		copy(gone[i*leafSize:], l[:])
	}
	if _, err := f.u.leaves.WriteAt(gone, first*leafSize); err != nil {
		return err
	}
	f.u.present.Add(int64(len(leaves)))
	f.tell(int64(len(leaves)) * BlockSize)
	return nil
}

// copyRange copies n bytes at off from one file to the same place of another; a
// file system that can shares them instead.
func copyRange(to, from *os.File, off, n int64) error {
	for n > 0 {
		in, out := off, off
		done, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, int(n), 0)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || done == 0: // not between these two: by hand
			_, err := io.Copy(io.NewOffsetWriter(to, off), io.NewSectionReader(from, off, n))
			return err
		}
		off, n = off+int64(done), n-int64(done)
	}
	return nil
}
