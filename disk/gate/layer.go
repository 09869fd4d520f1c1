package gate

import (
	"fmt"
	"iter"

	"slipway/fault"
)

// Patch is a stretch of a layer over another disk that hides what lies below.
type Patch struct {
	Extent
	Zero bool // it reads as zeros; otherwise its bytes are the layer's
}

// Patches yields what a layer has of its own, in order and apart; all else is the
// disk's below. Only qcow2 files are layers. An error ends it.
func (d *Disk) Patches() iter.Seq2[Patch, error] {
	if d.Format != QCOW2 || d.image == nil {
		return func(yield func(Patch, error) bool) {
			yield(Patch{}, fault.New(fault.Unsupported, "A file of format %s is no layer over another disk.", d.Format))
		}
	}
	return d.image.patches()
}

func (m *image) patches() iter.Seq2[Patch, error] {
	return func(yield func(Patch, error) bool) {
		var p Patch
		for off := int64(0); off < m.size; {
			s, err := m.lay.find(off)
			if err == nil && s.n <= 0 {
				err = fmt.Errorf("disk/gate: an empty stretch at %d", off)
			}
			if err != nil {
				yield(Patch{}, err)
				return
			}
			n := min(s.n, m.size-off)
			mine, zero := s.kind != hole || s.hides, s.kind == hole
			if p.Len > 0 && (!mine || zero != p.Zero) {
				if !yield(p, nil) {
					return
				}
				p = Patch{}
			}
			switch {
			case mine && p.Len > 0:
				p.Len += n
			case mine:
				p = Patch{Extent{off, n}, zero}
			}
			off += n
		}
		if p.Len > 0 {
			yield(p, nil)
		}
	}
}
