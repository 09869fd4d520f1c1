package awsjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"

	"slipway/wire/shape"
)

// Append writes a tree of shape s as JSON, members in the model's order. Only
// members that travel in the document (shape.Body) are written. A tree that
// does not fit its shape is a bug and an error.
func Append(dst []byte, tree any, s *shape.Shape) ([]byte, error) {
	var err error
	switch v := tree.(type) {
	case map[string]any:
		if s.Kind == shape.Structure {
			return appendStruct(dst, v, s)
		}
		return appendMap(dst, v, s)
	case []any:
		if s.Kind != shape.List {
			return nil, shape.Mismatch(s, tree)
		}
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = Append(dst, e, s.Elem); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case string:
		return AppendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case time.Time:
		return append(dst, Epoch(v)...), nil
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"'), nil
	}
	return nil, fmt.Errorf("awsjson: %s: cannot write a %T", s.Name, tree)
}

func appendStruct(dst []byte, m map[string]any, s *shape.Shape) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for i := range s.Members {
		mem := &s.Members[i]
		x, ok := m[mem.Name]
		if !ok || x == nil || mem.In != shape.Body {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(AppendString(dst, mem.Wire), ':')
		var err error
		if dst, err = Append(dst, x, mem.Shape); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
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
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, k), ':')
		var err error
		if dst, err = Append(dst, m[k], s.Elem); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// AppendString writes a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c < 0x20 || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}
