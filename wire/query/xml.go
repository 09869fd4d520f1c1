package query

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"slipway/wire/shape"
)

// timeFormat is ISO 8601 in UTC with milliseconds, as both services print it.
const timeFormat = "2006-01-02T15:04:05.000Z"

// writer prints a tree as XML. encoding/xml's own encoder is of no use here:
// the names come from shapes, and it has no notion of ours. The first error
// sticks.
type writer struct {
	buf bytes.Buffer
	ec2 bool
	err error
}

func newWriter(ec2 bool) *writer { return &writer{ec2: ec2} }

func (w *writer) open(name string)  { w.buf.WriteString("<" + name + ">") }
func (w *writer) close(name string) { w.buf.WriteString("</" + name + ">") }

func (w *writer) openRoot(name, namespace string) {
	w.buf.WriteString("<" + name)
	if namespace != "" {
		w.buf.WriteString(` xmlns="`)
		w.escape(namespace)
		w.buf.WriteByte('"')
	}
	w.buf.WriteByte('>')
}

func (w *writer) text(name, value string) {
	w.open(name)
	w.escape(value)
	w.close(name)
}

// escape also replaces what XML cannot carry at all.
func (w *writer) escape(s string) { _ = xml.EscapeText(&w.buf, []byte(s)) } // a Buffer does not fail

// members prints what is there of a structure, in the order of the model.
func (w *writer) members(s *shape.Shape, tree map[string]any) {
	for i := range s.Members {
		m := &s.Members[i]
		if v, ok := tree[m.Name]; ok && v != nil {
			w.value(m.Wire, m.Shape, v)
		}
	}
}

func (w *writer) value(name string, s *shape.Shape, v any) {
	switch s.Kind {
	case shape.Structure:
		t, ok := v.(map[string]any)
		if !ok {
			w.wrongType(name, s, v)
			return
		}
		w.open(name)
		w.members(s, t)
		w.close(name)
	case shape.List:
		w.list(name, s, v)
	case shape.Map:
		w.mapping(name, s, v)
	default:
		text, ok := leaf(s, v)
		if !ok {
			w.wrongType(name, s, v)
			return
		}
		w.text(name, text)
	}
}

func (w *writer) list(name string, s *shape.Shape, v any) {
	l, ok := v.([]any)
	if !ok {
		w.wrongType(name, s, v)
		return
	}
	elem := s.ElemName
	if elem == "" {
		elem = "member"
		if w.ec2 {
			elem = "item"
		}
	}
	if s.Flattened {
		for _, e := range l {
			w.value(name, s.Elem, e)
		}
		return
	}
	w.open(name)
	for _, e := range l {
		w.value(elem, s.Elem, e)
	}
	w.close(name)
}

// mapping prints entries sorted by key, so that equal answers are equal bytes.
func (w *writer) mapping(name string, s *shape.Shape, v any) {
	m, ok := v.(map[string]any)
	if !ok {
		w.wrongType(name, s, v)
		return
	}
	entry := "entry"
	if s.Flattened {
		entry = name
	} else {
		w.open(name)
		defer w.close(name)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.open(entry)
		w.text("key", k)
		w.value("value", s.Elem, m[k])
		w.close(entry)
	}
}

func (w *writer) wrongType(name string, s *shape.Shape, v any) {
	if w.err == nil {
		w.err = fmt.Errorf("query: %s is a %s but holds a %T", name, s.Kind, v)
	}
}

func leaf(s *shape.Shape, v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, s.Kind == shape.String
	case bool:
		return strconv.FormatBool(v), s.Kind == shape.Boolean
	case int64:
		return strconv.FormatInt(v, 10), s.Kind == shape.Integer || s.Kind == shape.Long
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), s.Kind == shape.Float || s.Kind == shape.Double
	case time.Time:
		return v.UTC().Format(timeFormat), s.Kind == shape.Timestamp
	case []byte:
		return base64.StdEncoding.EncodeToString(v), s.Kind == shape.Blob
	}
	return "", false
}
