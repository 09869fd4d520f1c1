package rpccbor

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/wire/shape"
)

// Append writes a struct or tree of shape s, members in the model's order,
// definite lengths, integers never as floats, times as tag 1. A value that does
// not fit its shape is a bug and an error.
func Append(dst []byte, v any, s *shape.Shape) ([]byte, error) {
	w := writer{dst: dst}
	if err := shape.Walk(v, s, &w); err != nil {
		return nil, err
	}
	return w.dst, nil
}

// appendTyped writes a structure whose first entry is its type, "__type".
func appendTyped(v any, s *shape.Shape, typ string) ([]byte, error) {
	w := writer{typ: typ}
	if err := shape.Walk(v, s, &w); err != nil {
		return nil, err
	}
	return w.dst, nil
}

// writer is the shape.Sink that writes CBOR.
type writer struct {
	dst []byte
	typ string // of the outermost structure; empty once it is written
}

func (w *writer) Struct(_ *shape.Shape, members int) {
	if w.typ == "" {
		w.dst = appendHead(w.dst, majorMap, uint64(members))
		return
	}
	w.dst = appendHead(w.dst, majorMap, uint64(members)+1)
	w.dst = appendText(appendText(w.dst, "__type"), w.typ)
	w.typ = ""
}

func (w *writer) Map(_ *shape.Shape, n int)      { w.dst = appendHead(w.dst, majorMap, uint64(n)) }
func (w *writer) List(_ *shape.Shape, n int)     { w.dst = appendHead(w.dst, majorArray, uint64(n)) }
func (w *writer) End(*shape.Shape)               {}
func (w *writer) Member(m *shape.Member, _ bool) { w.String(m.Wire) }
func (w *writer) Key(k string, _ bool)           { w.String(k) }
func (w *writer) Elem(bool)                      {}

func (w *writer) String(v string) {
	if len(v) >= 24 || !utf8.ValidString(v) {
		w.dst = appendText(w.dst, v)
		return
	}
	w.dst = append(w.dst, majorText<<5|byte(len(v)))
	w.dst = append(w.dst, v...)
}

func (w *writer) Int(v int64)      { w.dst = appendInt(w.dst, v) }
func (w *writer) Float(v float64)  { w.dst = appendFloat(w.dst, v) }
func (w *writer) Time(v time.Time) { w.dst = appendTime(w.dst, v) }
func (w *writer) Blob(v []byte)    { w.dst = append(appendHead(w.dst, majorBytes, uint64(len(v))), v...) }

func (w *writer) Bool(v bool) {
	if v {
		w.dst = append(w.dst, 0xf5)
	} else {
		w.dst = append(w.dst, 0xf4)
	}
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
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
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
