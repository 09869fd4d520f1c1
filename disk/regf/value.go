package regf

import (
	"strings"
)

// Values lists the values of k.
func (k *Key) Values() (out []Value, err error) {
	err = k.each(func(at uint32) (bool, error) {
		v, err := k.h.value(at, "")
		if v != nil {
			out = append(out, *v)
		}
		return true, err
	})
	return out, err
}

// Value finds a value by its name in any case, "" for the default value; nil
// when it is not there.
func (k *Key) Value(name string) (found *Value, err error) {
	err = k.each(func(at uint32) (bool, error) {
		v, err := k.h.value(at, name)
		if err == nil && v != nil && strings.EqualFold(v.Name, name) {
			found = v
		}
		return found == nil, err
	})
	return found, err
}

func (k *Key) each(f func(at uint32) (bool, error)) error {
	if k.values == 0 {
		return nil
	}
	if k.values > maxList {
		return ErrDamaged
	}
	b, err := k.h.cell(k.valueList, make([]byte, 4*k.values), int(4*k.values))
	if err != nil {
		return err
	}
	for i := range k.values {
		if more, err := f(le.Uint32(b[4*i:])); err != nil || !more {
			return err
		}
	}
	return nil
}

// value reads a value; with a name only one of that length, since the data of
// the others is not wanted.
func (h *Hive) value(at uint32, want string) (*Value, error) {
	var buf [20 + maxKeyName]byte
	b, err := h.cell(at, buf[:], 20)
	if err != nil {
		return nil, err
	}
	n := int(le.Uint16(b[2:]))
	if string(b[:2]) != "vk" {
		return nil, ErrDamaged
	}
	v := &Value{Type: le.Uint32(b[12:])}
	if n > 0 {
		v.Name = name(b[20:min(20+n, len(b))], le.Uint16(b[16:])&1 != 0)
	}
	if want != "" && !strings.EqualFold(v.Name, want) {
		return nil, nil
	}
	size := le.Uint32(b[4:])
	if size&(1<<31) != 0 { // at most four bytes, in place of their offset
		v.Data = append([]byte(nil), b[8:8+min(size&^(1<<31), 4)]...)
		return v, nil
	}
	if size == 0 {
		return v, nil
	}
	v.Data, err = h.data(le.Uint32(b[8:]), int(min(size, maxData)), size > maxSegment)
	return v, err
}

// data reads the bytes of a value; large ones are in pieces below a "db" cell.
func (h *Hive) data(at uint32, size int, large bool) ([]byte, error) {
	if large {
		b, err := h.cell(at, make([]byte, 8), 8)
		if err != nil {
			return nil, err
		}
		if string(b[:2]) == "db" {
			return h.pieces(le.Uint32(b[4:]), int(le.Uint16(b[2:])), size)
		}
	}
	return h.cell(at, make([]byte, size), size)
}

func (h *Hive) pieces(list uint32, n, size int) ([]byte, error) {
	at, err := h.cell(list, make([]byte, 4*n), 4*n)
	if err != nil {
		return nil, err
	}
	var out []byte
	for i := 0; i < n && len(out) < size; i++ {
		b, err := h.cell(le.Uint32(at[4*i:]), make([]byte, min(maxSegment, size-len(out))), 1)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// Number is the value of a DWORD or QWORD.
func (v *Value) Number() (uint64, bool) {
	switch {
	case v == nil:
		return 0, false
	case v.Type == QWord && len(v.Data) == 8:
		return le.Uint64(v.Data), true
	case v.Type == DWord && len(v.Data) == 4:
		return uint64(le.Uint32(v.Data)), true
	}
	return 0, false
}

// Text is the value of a string; of several strings, all of them that are not
// empty, with "; " between them.
func (v *Value) Text() string {
	if v == nil {
		return ""
	}
	switch v.Type {
	case SZ, ExpandSZ:
		s, _, _ := strings.Cut(wide(v.Data), "\x00")
		return s
	case MultiSZ:
		var all []string
		for s := range strings.SplitSeq(wide(v.Data), "\x00") {
			if s != "" {
				all = append(all, s)
			}
		}
		return strings.Join(all, "; ")
	}
	return ""
}
