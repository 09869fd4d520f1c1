package rpccbor

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"slipway/wire/shape"
)

// Append writes a tree of shape s, members in the model's order, definite
// lengths, integers never as floats, times as tag 1. A tree that does not fit
// its shape is a bug and an error.
func Append(dst []byte, tree any, s *shape.Shape) ([]byte, error) {
	switch v := tree.(type) {
	case map[string]any:
		if s.Kind == shape.Structure {
			return appendStruct(dst, v, s, "")
		}
		return appendMap(dst, v, s)
	case []any:
		if s.Kind != shape.List {
			return nil, shape.Mismatch(s, tree)
		}
		dst = appendHead(dst, majorArray, uint64(len(v)))
		for _, e := range v {
			var err error
			if dst, err = Append(dst, e, s.Elem); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case string:
		return appendText(dst, v), nil
	case []byte:
		return append(appendHead(dst, majorBytes, uint64(len(v))), v...), nil
	case bool:
		if v {
			return append(dst, 0xf5), nil
		}
		return append(dst, 0xf4), nil
	case int64:
		return appendInt(dst, v), nil
	case float64:
		return appendFloat(dst, v), nil
	case time.Time:
		return appendTime(dst, v), nil
	}
	return nil, fmt.Errorf("rpccbor: %s: cannot write a %T", s.Name, tree)
}

// appendStruct writes a structure; a type that is not empty becomes its first
// entry, "__type".
func appendStruct(dst []byte, m map[string]any, s *shape.Shape, typ string) ([]byte, error) {
	n := uint64(0)
	for i := range s.Members {
		if m[s.Members[i].Name] != nil {
			n++
		}
	}
	if typ != "" {
		n++
	}
	dst = appendHead(dst, majorMap, n)
	if typ != "" {
		dst = appendText(appendText(dst, "__type"), typ)
	}
	for i := range s.Members {
		x := m[s.Members[i].Name]
		if x == nil {
			continue
		}
		dst = appendText(dst, s.Members[i].Wire)
		var err error
		if dst, err = Append(dst, x, s.Members[i].Shape); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendMap(dst []byte, m map[string]any, s *shape.Shape) ([]byte, error) {
	if s.Kind != shape.Map {
		return nil, shape.Mismatch(s, m)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	dst = appendHead(dst, majorMap, uint64(len(m)))
	for _, k := range keys {
		dst = appendText(dst, k)
		var err error
		if dst, err = Append(dst, m[k], s.Elem); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendHead(dst []byte, major byte, n uint64) []byte {
	m := major << 5
	switch {
	case n < 24:
		return append(dst, m|byte(n))
	case n <= math.MaxUint8:
		return append(dst, m|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, m|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, m|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, m|27), n)
}

func appendText(dst []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\ufffd")
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNegative, uint64(-1-n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, majorSimple<<5|27), math.Float64bits(f))
}

// appendTime writes whole seconds as an integer and others as a float with
// milliseconds, which is all the precision the services give.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, majorTag<<5|tagEpoch)
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return appendInt(dst, ms/1000)
	}
	return appendFloat(dst, float64(ms)/1000)
}
