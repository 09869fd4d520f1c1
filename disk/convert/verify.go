package convert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"slipway/disk"
	"slipway/disk/gate"
	"slipway/fault"
)

// verify reads what was written through the gate, as a stranger's file, and
// compares every byte of the disk in it: by digest when the source's is known,
// and with the source otherwise, whose digest it gives.
func (j *job) verify(ctx context.Context, made string, want disk.Digest) (disk.Digest, error) {
	const what = "What was written could not be read back."
	j.notify(full*9/10, full, "comparing")
	f, err := disk.OpenSparse(made)
	if err != nil {
		return want, err
	}
	defer f.Close()
	size, content := f.Size(), disk.Content(f)
	if j.o.Format != gate.Raw { // a raw disk is its bytes, whatever they look like
		d, err := gate.Open(f, f.Size(), gate.Options{Declared: j.o.Format})
		if err == nil {
			err = d.Check(ctx)
		}
		if err != nil {
			return want, wrongOutput(err, "it was refused")
		}
		size, content = d.VirtualSize, d
	}
	if size != j.size {
		return want, wrongOutput(nil, "it has another size")
	}
	if want.IsZero() {
		content = &pair{made: content, source: j.src}
	}
	got, err := disk.Sum(ctx, content, size, nil)
	switch {
	case gate.Code(err) != "":
		return want, wrongOutput(err, "it was refused")
	case errors.Is(err, errDiffers):
		return want, wrongOutput(err, "it differs from its source")
	case err != nil:
		return want, wrap(err, what)
	case !want.IsZero() && got.Digest != want:
		return want, wrongOutput(nil, "it differs from its source")
	}
	return got.Digest, nil
}

var errDiffers = errors.New("bytes differ")

// pair is two disks that have to be the same: reading them fails with errDiffers
// where they are not. Comparing costs a tenth of hashing, and the source, which
// was just read, is in memory still.
type pair struct{ made, source disk.Content }

func (p *pair) ReaderAt() (io.ReaderAt, error) {
	made, err := p.made.ReaderAt()
	if err != nil {
		return nil, err
	}
	source, err := p.source.ReaderAt()
	return &pairReader{made: made, source: source}, err
}

// Extents are those of both: what only one of them has must be zeros.
func (p *pair) Extents(from int64) iter.Seq2[gate.Extent, error] {
	return func(yield func(gate.Extent, error) bool) {
		nextA, stopA := iter.Pull2(p.made.Extents(from))
		defer stopA()
		nextB, stopB := iter.Pull2(p.source.Extents(from))
		defer stopB()
		a, errA, moreA := nextA()
		b, errB, moreB := nextB()
		for moreA || moreB {
			if err := errors.Join(errA, errB); err != nil {
				yield(gate.Extent{}, err)
				return
			}
			if moreA && (!moreB || a.Off <= b.Off) {
				if !yield(a, nil) {
					return
				}
				a, errA, moreA = nextA()
			} else {
				if !yield(b, nil) {
					return
				}
				b, errB, moreB = nextB()
			}
		}
	}
}

type pairReader struct {
	made, source io.ReaderAt
	buffers      sync.Pool
}

// ReadAt implements io.ReaderAt.
func (p *pairReader) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.made.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	other, _ := p.buffers.Get().(*[]byte)
	if other == nil || len(*other) < len(b) {
		buf := make([]byte, len(b))
		other = &buf
	}
	defer p.buffers.Put(other)
	m, err2 := p.source.ReadAt((*other)[:len(b)], off)
	if err2 != nil && !errors.Is(err2, io.EOF) {
		return n, err2
	}
	if n != m || !bytes.Equal(b[:n], (*other)[:m]) {
		return n, errDiffers
	}
	return n, err
}

func wrongOutput(err error, why string) error {
	return fault.Wrap(fault.Internal, err, "The converted disk was read back and %s; it was removed.", why).
		WithHint("Nothing happened to the source. Check the machine's disk and memory, try again, and report this with the version of qemu-img.").WithCode("conversion-differs")
}
