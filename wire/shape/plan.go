package shape

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// plan is how a Go type holds a shape, worked out once and kept: the walks over
// structs look nothing up by name.
type plan struct {
	shape  *Shape
	typ    reflect.Type
	fields []field // Structure: one per member, in the model's order
	elem   *plan   // List, Map
	texts  bool    // a map[string]string
}

type field struct {
	member  *Member
	plan    *plan
	index   int
	offset  uintptr
	pointer bool // otherwise a slice or map
}

type planKey struct {
	t reflect.Type
	s *Shape
}

// plans holds whole plans only: what has an entry can be used.
var plans sync.Map // planKey -> *plan

func planFor(t reflect.Type, s *Shape) (*plan, error) {
	key := planKey{t, s}
	if p, ok := plans.Load(key); ok {
		return p.(*plan), nil
	}
	p, err := build(t, s, map[planKey]*plan{})
	if err != nil {
		return nil, err
	}
	plans.Store(key, p)
	return p, nil
}

// GoField is the name of the Go field that holds the member.
func (m *Member) GoField() string { return strings.ToUpper(m.Name[:1]) + m.Name[1:] }

// build makes a plan; what is under way is in begun, since shapes may contain
// themselves.
func build(t reflect.Type, s *Shape, begun map[planKey]*plan) (p *plan, err error) {
	key := planKey{t, s}
	if p := begun[key]; p != nil {
		return p, nil
	}
	if !holds(t, s) {
		return nil, fmt.Errorf("shape: %s cannot hold the %s %s", t, s.Kind, s.Name)
	}
	p = &plan{shape: s, typ: t}
	begun[key] = p
	switch s.Kind {
	case List, Map:
		p.elem, err = build(t.Elem(), s.Elem, begun)
		p.texts = t == textsType
		return p, err
	case Structure:
		p.fields = make([]field, len(s.Members))
	}
	for i := range s.Members {
		m := &s.Members[i]
		f, ok := t.FieldByName(m.GoField())
		if !ok || len(f.Index) != 1 {
			return nil, fmt.Errorf("shape: %s has no field for %s.%s", t, s.Name, m.Name)
		}
		inner, pointer := f.Type, f.Type.Kind() == reflect.Pointer
		if pointer {
			inner = inner.Elem()
		} else if k := inner.Kind(); k != reflect.Slice && k != reflect.Map {
			return nil, fmt.Errorf("shape: %s.%s cannot be unset", t, f.Name)
		}
		sub, err := build(inner, m.Shape, begun)
		if err != nil {
			return nil, err
		}
		p.fields[i] = field{member: m, plan: sub, index: f.Index[0], offset: f.Offset, pointer: pointer}
	}
	return p, nil
}

var (
	timeType = reflect.TypeFor[time.Time]()
	blobType = reflect.TypeFor[[]byte]()

	textsType = reflect.TypeFor[map[string]string]()
)

// holds tells whether a Go type is the one for a shape, its insides apart.
func holds(t reflect.Type, s *Shape) bool {
	switch s.Kind {
	case Structure:
		return t.Kind() == reflect.Struct
	case List:
		return t.Kind() == reflect.Slice
	case Map:
		return t.Kind() == reflect.Map && t.Key().Kind() == reflect.String
	case String:
		return t.Kind() == reflect.String
	case Boolean:
		return t.Kind() == reflect.Bool
	case Integer, Long:
		return t.Kind() == reflect.Int64
	case Float, Double:
		return t.Kind() == reflect.Float64
	case Timestamp:
		return t == timeType
	case Blob:
		return t == blobType
	}
	return false
}

// get gives the value of a member in a struct, and whether it is set.
func (f *field) get(v reflect.Value) (reflect.Value, bool) {
	x := v.Field(f.index)
	if x.IsNil() {
		return x, false
	}
	if f.pointer {
		x = x.Elem()
	}
	return x, true
}

// timeIn reads a time without copying it to the heap where that can be avoided.
func timeIn(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// structOf is the struct that src is or points to; ok is false for nil.
func structOf(src any) (v reflect.Value, ok bool, err error) {
	v = reflect.ValueOf(src)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return v, false, nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return v, false, nil
	}
	if v.Kind() != reflect.Struct {
		return v, false, fmt.Errorf("shape: %T is not a structure", src)
	}
	return v, true, nil
}
