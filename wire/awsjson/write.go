package awsjson

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"slipway/wire/shape"
)

// Append writes a struct or tree of shape s as JSON, members in the model's
// order. Only members that travel in the document (shape.Body) are written. A
// value that does not fit its shape is a bug and an error.
func Append(dst []byte, v any, s *shape.Shape) ([]byte, error) {
	w := writer{dst}
	if err := shape.Walk(v, s, &w); err != nil {
		return nil, err
	}
	return w.dst, nil
}

// writer is the shape.Sink that writes JSON.
type writer struct{ dst []byte }

func (w *writer) Struct(*shape.Shape, int) { w.dst = append(w.dst, '{') }
func (w *writer) Map(*shape.Shape, int)    { w.dst = append(w.dst, '{') }
func (w *writer) List(*shape.Shape, int)   { w.dst = append(w.dst, '[') }

func (w *writer) End(s *shape.Shape) {
	if s.Kind == shape.List {
		w.dst = append(w.dst, ']')
	} else {
		w.dst = append(w.dst, '}')
	}
}

// Member names are the model's: nothing in them needs an escape.
func (w *writer) Member(m *shape.Member, first bool) {
	w.Elem(first)
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, m.Wire...)
	w.dst = append(w.dst, '"', ':')
}

func (w *writer) Key(k string, first bool) {
	w.Elem(first)
	w.String(k)
	w.dst = append(w.dst, ':')
}

func (w *writer) Elem(first bool) {
	if !first {
		w.dst = append(w.dst, ',')
	}
}

func (w *writer) String(v string) {
	for i := range len(v) {
		if !plain[v[i]] {
			w.dst = AppendString(w.dst, v)
			return
		}
	}
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, v...)
	w.dst = append(w.dst, '"')
}

func (w *writer) Bool(v bool)      { w.dst = strconv.AppendBool(w.dst, v) }
func (w *writer) Int(v int64)      { w.dst = strconv.AppendInt(w.dst, v, 10) }
func (w *writer) Float(v float64)  { w.dst = appendFloat(w.dst, v) }
func (w *writer) Time(v time.Time) { w.dst = appendEpoch(w.dst, v) }

func (w *writer) Blob(v []byte) {
	w.dst = append(w.dst, '"')
	w.dst = base64.StdEncoding.AppendEncode(w.dst, v)
	w.dst = append(w.dst, '"')
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

// plain marks the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\' && c != 0x7f
	}
	return t
}()

// AppendString writes a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // of what is not yet written and needs no change
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\ufffd"...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += n
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
