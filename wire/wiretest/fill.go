// Package wiretest helps to test what speaks the wire: it fills any shape with
// values that are all different, so that a codec that mixes up or loses a
// member is found out.
//
// For tests only; nothing in it may be imported by the server.
package wiretest

import (
	"strconv"
	"time"

	"slipway/wire/shape"
)

// Tree is a tree of structure s in which every member at every depth is set
// (unions have all of theirs, too), lists and maps have two entries, and no
// two leaves of a kind are equal, enums and booleans apart. The same shape
// always gives the same tree. The values satisfy types, not constraints.
func Tree(s *shape.Shape) map[string]any {
	f := filler{variant: -1}
	return f.value(s).(map[string]any)
}

// Variant is Tree with one member only in each union: the first for 0, the next
// for 1, and so on in a circle.
func Variant(s *shape.Shape, variant int) map[string]any {
	f := filler{variant: variant}
	return f.value(s).(map[string]any)
}

type filler struct {
	n       int64
	variant int // of unions; -1 for all members
}

func (f *filler) value(s *shape.Shape) any {
	f.n++
	switch s.Kind {
	case shape.Structure:
		m := map[string]any{}
		for i := range s.Members {
			mem := &s.Members[i]
			if s.Union && f.variant >= 0 && f.variant%len(s.Members) != i {
				continue
			}
			if m[mem.Name] = f.value(mem.Shape); mem.In != shape.Body && mem.Shape.Kind == shape.String && len(mem.Shape.Enum) == 0 {
				m[mem.Name] = mem.Name + "-" + strconv.FormatInt(f.n, 10) // headers hold plain text only
			}
		}
		return m
	case shape.List:
		return []any{f.value(s.Elem), f.value(s.Elem)}
	case shape.Map:
		return map[string]any{f.key(s.Key, 0): f.value(s.Elem), f.key(s.Key, 1): f.value(s.Elem)}
	case shape.String:
		return f.key(s, int(f.n))
	case shape.Boolean:
		return f.n%2 == 0
	case shape.Integer, shape.Long:
		return f.n * 1000
	case shape.Float, shape.Double:
		return float64(f.n) + 0.25
	case shape.Timestamp:
		return time.UnixMilli(1_700_000_000_000 + f.n*1001).UTC()
	case shape.Blob:
		return []byte("blob\x00\xff" + strconv.FormatInt(f.n, 10))
	}
	panic("wiretest: kind " + s.Kind.String())
}

func (f *filler) key(s *shape.Shape, i int) string {
	if len(s.Enum) > 0 {
		return s.Enum[i%len(s.Enum)]
	}
	f.n++
	return `<é "` + s.Name + "\n" + strconv.FormatInt(f.n, 10)
}
