package shape

import "strconv"

// Leaf turns what a protocol's parser found into the Go value a leaf shape
// asks for (see the package comment), or fails, with a *TypeError if the type
// is wrong. It never sees nil.
type Leaf func(s *Shape, raw any) (any, error)

// Conform turns a parsed document (maps keyed by wire names) into a tree of
// shape s (keyed by member names). Unknown keys and members that are null are
// dropped; a null inside a list or map is a *TypeError.
func Conform(raw any, s *Shape, leaf Leaf) (any, error) {
	switch s.Kind {
	case Structure:
		m, ok := raw.(map[string]any)
		if !ok {
			return nil, mismatch(s, raw)
		}
		out := make(map[string]any, len(m))
		for i := range s.Members {
			mem := &s.Members[i]
			x, ok := m[mem.Wire]
			if !ok || x == nil || mem.In != Body {
				continue
			}
			y, err := Conform(x, mem.Shape, leaf)
			if err != nil {
				return nil, at(mem.Wire, err)
			}
			out[mem.Name] = y
		}
		return out, nil
	case List:
		l, ok := raw.([]any)
		if !ok {
			return nil, mismatch(s, raw)
		}
		out := make([]any, len(l))
		for i, x := range l {
			y, err := Conform(x, s.Elem, leaf)
			if err != nil {
				return nil, at(strconv.Itoa(i+1), err)
			}
			out[i] = y
		}
		return out, nil
	case Map:
		m, ok := raw.(map[string]any)
		if !ok {
			return nil, mismatch(s, raw)
		}
		out := make(map[string]any, len(m))
		for k, x := range m {
			y, err := Conform(x, s.Elem, leaf)
			if err != nil {
				return nil, at(k, err)
			}
			out[k] = y
		}
		return out, nil
	}
	if raw == nil {
		return nil, mismatch(s, raw)
	}
	return leaf(s, raw)
}

// Mismatch is the *TypeError a Leaf returns for a value of the wrong type.
func Mismatch(s *Shape, raw any) error { return mismatch(s, raw) }

// FitsInteger tells whether n can be a value of the integer shape s: Integer
// has 32 bits on the wire although Go sees int64.
func FitsInteger(s *Shape, n int64) bool {
	return s.Kind == Long || (n >= -1<<31 && n <= 1<<31-1)
}
