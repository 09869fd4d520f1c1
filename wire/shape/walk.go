package shape

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// Sink is told a document piece by piece, in the model's order. Every value is
// one leaf call, or one of Struct, List and Map followed by its parts and End.
type Sink interface {
	Struct(s *Shape, members int)
	Member(m *Member, first bool) // its value follows
	List(s *Shape, length int)
	Elem(first bool) // its value follows
	Map(s *Shape, length int)
	Key(k string, first bool) // its value follows; keys are sorted
	End(s *Shape)

	String(v string)
	Bool(v bool)
	Int(v int64)
	Float(v float64)
	Time(v time.Time)
	Blob(v []byte)
}

// Walk tells sink what is in src: a tree or a part of one, a generated struct
// or a pointer to one (nil is an empty structure). Only members that are set and travel in the
// document (Body) are told. Errors mean that src does not fit s, which is a bug.
func Walk(src any, s *Shape, sink Sink) error {
	switch src.(type) {
	case map[string]any, []any, string, bool, int64, float64, time.Time, []byte:
		return walkTree(src, s, sink)
	}
	v, ok, err := structOf(src)
	if err != nil {
		return err
	}
	if !ok {
		sink.Struct(s, 0)
		sink.End(s)
		return nil
	}
	pl, err := planFor(v.Type(), s)
	if err != nil {
		return err
	}
	if !v.CanAddr() {
		c := reflect.New(v.Type())
		c.Elem().Set(v)
		v = c.Elem()
	}
	walk(v.Addr().UnsafePointer(), pl, sink)
	return nil
}

// walk tells of the value at p, which is of the type pl was made for: build has
// compared every type and taken every offset from it. Going by address makes
// long answers twice as cheap as going by reflect.Value.
func walk(p unsafe.Pointer, pl *plan, sink Sink) {
	switch pl.shape.Kind {
	case String:
		sink.String(*(*string)(p))
	case Boolean:
		sink.Bool(*(*bool)(p))
	case Integer, Long:
		sink.Int(*(*int64)(p))
	case Float, Double:
		sink.Float(*(*float64)(p))
	case Timestamp:
		sink.Time(*(*time.Time)(p))
	case Blob:
		sink.Blob(*(*[]byte)(p))
	case Structure:
		walkStruct(p, pl, sink)
	case List:
		n := reflect.NewAt(pl.typ, p).Elem().Len()
		sink.List(pl.shape, n)
		elem := *(*unsafe.Pointer)(p) // a slice begins with the address of its array
		for i := range n {
			sink.Elem(i == 0)
			walk(unsafe.Add(elem, uintptr(i)*pl.elem.typ.Size()), pl.elem, sink)
		}
		sink.End(pl.shape)
	case Map:
		if pl.texts {
			walkTexts(*(*map[string]string)(p), pl, sink)
			return
		}
		walkMap(reflect.NewAt(pl.typ, p).Elem(), pl, sink)
	}
}

func walkStruct(p unsafe.Pointer, pl *plan, sink Sink) {
	n := 0
	for i := range pl.fields {
		f := &pl.fields[i]
		if f.member.In == Body && *(*unsafe.Pointer)(unsafe.Add(p, f.offset)) != nil {
			n++
		}
	}
	sink.Struct(pl.shape, n)
	first := true
	for i := range pl.fields {
		f := &pl.fields[i]
		at := unsafe.Add(p, f.offset)
		// Pointers, slices and maps that are nil all begin with a nil address.
		target := *(*unsafe.Pointer)(at)
		if target == nil || f.member.In != Body {
			continue
		}
		if f.pointer {
			at = target
		}
		sink.Member(f.member, first)
		first = false
		walk(at, f.plan, sink)
	}
	sink.End(pl.shape)
}

func walkMap(v reflect.Value, pl *plan, sink Sink) {
	sink.Map(pl.shape, v.Len())
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	elem := reflect.New(pl.elem.typ)
	for i, k := range keys {
		sink.Key(k.String(), i == 0)
		elem.Elem().Set(v.MapIndex(k))
		walk(elem.UnsafePointer(), pl.elem, sink)
	}
	sink.End(pl.shape)
}

// walkTexts is walkMap for nearly all maps there are.
func walkTexts(m map[string]string, pl *plan, sink Sink) {
	sink.Map(pl.shape, len(m))
	var room [8]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		sink.Key(k, i == 0)
		sink.String(m[k])
	}
	sink.End(pl.shape)
}

func walkTree(tree any, s *Shape, sink Sink) error {
	switch x := tree.(type) {
	case map[string]any:
		if s.Kind == Structure {
			return walkTreeStruct(x, s, sink)
		}
		return walkTreeMap(x, s, sink)
	case []any:
		if s.Kind != List {
			return mismatch(s, tree)
		}
		sink.List(s, len(x))
		for i, e := range x {
			sink.Elem(i == 0)
			if err := walkTree(e, s.Elem, sink); err != nil {
				return err
			}
		}
		sink.End(s)
		return nil
	}
	leaf, err := leafValue(tree, s)
	if err != nil {
		return fmt.Errorf("shape: %s: %w", s.Name, err)
	}
	switch x := leaf.(type) {
	case string:
		sink.String(x)
	case bool:
		sink.Bool(x)
	case int64:
		sink.Int(x)
	case float64:
		sink.Float(x)
	case time.Time:
		sink.Time(x)
	case []byte:
		sink.Blob(x)
	}
	return nil
}

func walkTreeStruct(m map[string]any, s *Shape, sink Sink) error {
	n := 0
	for i := range s.Members {
		if s.Members[i].In == Body && m[s.Members[i].Name] != nil {
			n++
		}
	}
	sink.Struct(s, n)
	first := true
	for i := range s.Members {
		mem := &s.Members[i]
		x := m[mem.Name]
		if x == nil || mem.In != Body {
			continue
		}
		sink.Member(mem, first)
		first = false
		if err := walkTree(x, mem.Shape, sink); err != nil {
			return err
		}
	}
	sink.End(s)
	return nil
}

func walkTreeMap(m map[string]any, s *Shape, sink Sink) error {
	if s.Kind != Map {
		return mismatch(s, m)
	}
	sink.Map(s, len(m))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		sink.Key(k, i == 0)
		if err := walkTree(m[k], s.Elem, sink); err != nil {
			return err
		}
	}
	sink.End(s)
	return nil
}
