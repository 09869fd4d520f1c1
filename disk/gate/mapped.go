package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Extent is a stretch of the disk that may hold data. What lies between
// extents reads as zeros.
type Extent struct{ Off, Len int64 }

// Sparse is what an io.ReaderAt may have beside: it knows its holes. NextData
// finds the first data at or after off; start is at the end of the file, or
// io.EOF the error, when there is none.
type Sparse interface {
	NextData(off int64) (start, end int64, err error)
}

// stretch says where bytes of the disk come from, from the asked offset on.
type stretch struct {
	n    int64 // of the disk, at least 1
	kind stretchKind
	// hides: of a hole in a layer over another disk, that it reads as zeros
	// whatever lies below.
	hides bool
	at    int64 // plain: in the file; packed: the unit's place, for the cache

	host, hostN int64 // of a plain or packed unit that begins here: what it takes in the file

	unit   int64                  // packed: where the unit begins on the disk
	unpack func() ([]byte, error) // packed: the whole unit
}

type stretchKind uint8

const (
	hole stretchKind = iota
	plain
	packed
	unwritten // plain, and zeros when the file is consistent
)

// layout is what a format knows: where the bytes of the disk are. It is safe
// for use by several goroutines.
type layout interface {
	// find looks up the disk's byte off, which is below its size. The stretch
	// never crosses what one look-up can answer for.
	find(off int64) (stretch, error)
}

// image is a disk with a layout; it serves its bytes.
type image struct {
	f      *input
	size   int64
	lay    layout
	format Format
	units  shelf[[]byte]
}

// ReadAt implements io.ReaderAt over the bytes of the disk.
func (m *image) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	done := 0
	for done < len(b) {
		if off >= m.size {
			return done, io.EOF
		}
		s, err := m.lay.find(off)
		if err != nil {
			return done, err
		}
		if s.n <= 0 {
			return done, fmt.Errorf("disk/gate: an empty stretch at %d", off)
		}
		part := b[done:][:min(s.n, int64(len(b)-done), m.size-off)]
		switch s.kind {
		case hole:
			clear(part)
		case plain:
			err = m.f.fill(part, s.at)
		case unwritten:
			if err = m.f.fill(part, s.at); err == nil && !allZero(part) {
				err = refuse("VHD_BITMAP", "The VHD file holds data at %d that its bitmap says was never written.", s.at)
			}
		case packed:
			err = m.fromUnit(part, off, s)
		}
		if err != nil {
			return done, err
		}
		done += len(part)
		off += int64(len(part))
	}
	return done, nil
}

func (m *image) fromUnit(part []byte, off int64, s stretch) error {
	unit, err := m.units.get(s.at, s.unpack)
	if err != nil {
		return err
	}
	from := off - s.unit
	if from < 0 || from+int64(len(part)) > int64(len(unit)) {
		return fmt.Errorf("disk/gate: %d bytes unpacked at %d, wanted %d more", len(unit), s.unit, len(part))
	}
	copy(part, unit[from:])
	return nil
}

// extents yields what is not a hole, neighbours joined.
func (m *image) extents(from int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		var e Extent
		for off := max(from, 0); off < m.size; {
			s, err := m.lay.find(off)
			if err == nil && s.n <= 0 {
				err = fmt.Errorf("disk/gate: an empty stretch at %d", off)
			}
			if err != nil {
				if e.Len > 0 && !yield(e, nil) {
					return
				}
				yield(Extent{Off: off}, err)
				return
			}
			n := min(s.n, m.size-off)
			switch {
			case s.kind == hole:
				if e.Len > 0 && !yield(e, nil) {
					return
				}
				e = Extent{}
			case e.Len > 0:
				e.Len += n
			default:
				e = Extent{off, n}
			}
			off += n
		}
		if e.Len > 0 {
			yield(e, nil)
		}
	}
}

// walkSteps is how many look-ups Open makes to count what is allocated and to
// find damage before anything is transferred.
const walkSteps = 64 << 10

// walk looks every part of the disk up, at most limit look-ups (no limit when
// it is 0); whole says that it came to the end.
func (m *image) walk(ctx context.Context, limit int) (allocated int64, whole bool, err error) {
	steps, used := 0, claims{}
	for off := int64(0); off < m.size; steps++ {
		if limit > 0 && steps >= limit {
			return allocated, false, nil
		}
		if steps%4096 == 0 && ctx.Err() != nil {
			return allocated, false, context.Cause(ctx)
		}
		s, err := m.lay.find(off)
		if errors.Is(err, errBeyond) {
			return allocated, false, nil
		}
		if err == nil && s.n <= 0 {
			err = fmt.Errorf("disk/gate: an empty stretch at %d", off)
		}
		if err != nil {
			return allocated, false, err
		}
		if s.hostN > 0 && !used.add(s.host, s.hostN) {
			return allocated, false, used.refusal(m.format)
		}
		if s.kind != hole {
			allocated += min(s.n, m.size-off)
		}
		off += s.n
	}
	if !used.apart() {
		return allocated, false, used.refusal(m.format)
	}
	return allocated, true, nil
}

// flat is the layout of a disk that lies in the file as it is.
type flat struct {
	f    *input
	off  int64
	size int64
}

func (l flat) find(off int64) (stretch, error) {
	if s, ok := l.f.r.(Sparse); ok {
		start, end, err := s.NextData(l.off + off)
		switch {
		case errors.Is(err, io.EOF):
			return stretch{n: l.size - off}, nil
		case err != nil:
			return stretch{}, err
		case start-l.off > off:
			return stretch{n: min(start-l.off, l.size) - off}, nil
		case end-l.off > off:
			return stretch{n: min(end-l.off, l.size) - off, kind: plain, at: l.off + off}, nil
		}
	}
	return stretch{n: l.size - off, kind: plain, at: l.off + off}, nil
}
