package disk

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"runtime"
	"sync"

	"slipway/disk/gate"
	"slipway/fault"
)

// Content is the bytes of a disk wherever they are: *gate.Disk and *SparseFile
// have it. It is safe for use by several goroutines.
type Content interface {
	ReaderAt() (io.ReaderAt, error)
	// Extents yields what may hold data from the offset on; all else is zeros.
	Extents(from int64) iter.Seq2[gate.Extent, error]
}

// Sum computes what Seal would say of a disk with this content, read once.
// size is the disk's, at least that of the content: what lies between reads as
// zeros. each, when not nil, is given every block that is not all zeros, in
// order, whole (zeros follow the content's end) and with its SHA-256; the block
// is valid until each returns. Errors are those of the content, of each, and
// ctx's.
func Sum(ctx context.Context, c Content, size int64, each func(index int64, block []byte, sum [32]byte) error) (Sealed, error) {
	r, err := c.ReaderAt()
	if err != nil {
		return Sealed{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	s := &summer{ctx: ctx, r: r, size: size, todo: make(chan *summed), done: make(chan *summed, 2*summers())}
	var running sync.WaitGroup
	for range summers() {
		running.Go(s.work)
	}
	running.Go(func() { s.feed(c) })
	defer running.Wait()
	defer stop(nil)

	out := Sealed{SizeBytes: size}
	d := newDigester(size)
	for b := range s.done {
		select {
		case <-b.ready:
		case <-ctx.Done():
			return Sealed{}, context.Cause(ctx)
		}
		if b.err != nil {
			return Sealed{}, b.err
		}
		if b.sum != ZeroSum {
			if each != nil {
				if err := each(b.index, b.data, b.sum); err != nil {
					return Sealed{}, err
				}
			}
			d.add(b.index, b.sum)
			out.DataBytes += BlockSize
		}
		s.buffers.Put(b)
	}
	if err := context.Cause(ctx); err != nil {
		return Sealed{}, err
	}
	out.Digest = d.digest()
	return out, nil
}

func summers() int { return min(4, max(1, runtime.GOMAXPROCS(0))) }

// summer reads and hashes blocks in several goroutines and keeps their order.
type summer struct {
	ctx     context.Context
	r       io.ReaderAt
	size    int64
	todo    chan *summed
	done    chan *summed // in order; each is ready a little later
	buffers sync.Pool
}

type summed struct {
	index int64
	data  []byte
	sum   leaf
	err   error
	ready chan struct{}
}

// feed hands every block with data to the workers, once.
func (s *summer) feed(c Content) {
	defer close(s.done)
	defer close(s.todo)
	next := int64(0) // the first block that was not handed out
	for e, err := range c.Extents(0) {
		if err == nil && (e.Off < 0 || e.Len < 0 || e.Off+e.Len > s.size) {
			err = errors.New("the content is larger than the disk")
		}
		if err != nil {
			failed := &summed{err: err, ready: make(chan struct{})}
			close(failed.ready)
			s.give(s.done, failed)
			return
		}
		for i := max(next, e.Off/BlockSize); i*BlockSize < e.Off+e.Len; i++ {
			b, _ := s.buffers.Get().(*summed)
			if b == nil {
				b = &summed{data: make([]byte, BlockSize)}
			}
			b.index, b.err, b.ready = i, nil, make(chan struct{})
			if !s.give(s.done, b) || !s.give(s.todo, b) {
				return
			}
			next = i + 1
		}
	}
}

func (s *summer) give(to chan<- *summed, b *summed) bool {
	select {
	case to <- b:
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *summer) work() {
	for b := range s.todo {
		n, err := s.r.ReadAt(b.data, b.index*BlockSize)
		if errors.Is(err, io.EOF) {
			err = nil
			clear(b.data[n:])
		}
		if b.err = err; err == nil {
			b.sum = sumOf(b.data)
		}
		close(b.ready)
	}
}

// SparseFile is a raw disk in a file of the host, read with its holes. Its
// bytes are taken as they are: a guest may have written the header of any
// format into its first sector.
type SparseFile struct {
	f    *os.File
	size int64
}

// OpenSparse opens a raw disk for reading. Errors: NotFound.
func OpenSparse(path string) (*SparseFile, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "The disk is not there.")
	}
	if err != nil {
		return nil, ioFault(err, "The disk could not be opened.")
	}
	s, err := NewSparse(f)
	if err != nil {
		f.Close()
	}
	return s, err
}

// NewSparse reads a file that is open already, and closes it in the end.
func NewSparse(f *os.File) (*SparseFile, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, ioFault(err, "The disk could not be opened.")
	}
	if !st.Mode().IsRegular() {
		return nil, fault.New(fault.BadValue, "%s is not a regular file.", st.Name())
	}
	return &SparseFile{f: f, size: st.Size()}, nil
}

// Size is the file's size when it was opened.
func (s *SparseFile) Size() int64 { return s.size }

// Close closes the file.
func (s *SparseFile) Close() error { return s.f.Close() }

// ReadAt implements io.ReaderAt.
func (s *SparseFile) ReadAt(b []byte, off int64) (int, error) { return s.f.ReadAt(b, off) }

// NextData implements gate.Sparse. The file's offset, which it moves, means
// nothing to anybody.
func (s *SparseFile) NextData(off int64) (start, end int64, err error) {
	start, end, ok, err := nextData(s.f, off, s.size)
	if err == nil && !ok {
		err = io.EOF
	}
	return start, min(end, s.size), err
}

// ReaderAt implements Content.
func (s *SparseFile) ReaderAt() (io.ReaderAt, error) { return s, nil }

// Extents implements Content.
func (s *SparseFile) Extents(from int64) iter.Seq2[gate.Extent, error] {
	return func(yield func(gate.Extent, error) bool) {
		for off := from; off < s.size; {
			start, end, err := s.NextData(off)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(gate.Extent{Off: start, Len: end - start}, err) || err != nil {
				return
			}
			off = end
		}
	}
}
