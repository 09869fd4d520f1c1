package shape

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// TypeError says that a value of the wrong type stands somewhere in a tree.
type TypeError struct {
	Path string // member names joined by dots; empty for the root
	Want string
	Got  string
}

func (e *TypeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("expected %s, found %s", e.Want, e.Got)
	}
	return fmt.Sprintf("expected %s at '%s', found %s", e.Want, e.Path, e.Got)
}

// at puts a step in front of the path of a TypeError on its way up.
func at(step string, err error) error {
	if te, ok := err.(*TypeError); ok {
		if te.Path == "" {
			te.Path = step
		} else {
			te.Path = step + "." + te.Path
		}
	}
	return err
}

// mismatch is a TypeError about v where a value of shape s should be.
func mismatch(s *Shape, v any) error {
	return &TypeError{Want: s.Kind.String(), Got: describe(v)}
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "structure"
	case []any:
		return "list"
	case string:
		return "string"
	case []byte:
		return "blob"
	case bool:
		return "boolean"
	case int64, uint64:
		return "integer"
	case float64:
		return "number"
	case time.Time:
		return "timestamp"
	}
	return strings.ToLower(fmt.Sprintf("%T", v))
}

// GoField is the name of the Go field that holds the member.
func (m *Member) GoField() string { return strings.ToUpper(m.Name[:1]) + m.Name[1:] }

type planKey struct {
	t reflect.Type
	s *Shape
}

// plans caches, per Go type and structure shape, the index of each member's field.
var plans sync.Map // planKey -> []int

func planFor(t reflect.Type, s *Shape) ([]int, error) {
	key := planKey{t, s}
	if p, ok := plans.Load(key); ok {
		return p.([]int), nil
	}
	p := make([]int, len(s.Members))
	for i := range s.Members {
		f, ok := t.FieldByName(s.Members[i].GoField())
		if !ok || len(f.Index) != 1 {
			return nil, fmt.Errorf("shape: %s has no field for %s.%s", t, s.Name, s.Members[i].Name)
		}
		p[i] = f.Index[0]
	}
	plans.Store(key, p)
	return p, nil
}

// Bind fills dst, a pointer to the generated struct of s, from a tree. Members
// that are absent stay nil; keys the shape does not have are ignored. A value
// of the wrong type is a *TypeError; every other error is a bug in dst.
func Bind(tree map[string]any, s *Shape, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("shape: cannot bind %s to %T", s.Name, dst)
	}
	return bind(tree, s, v.Elem())
}

func bind(tree any, s *Shape, v reflect.Value) error {
	switch s.Kind {
	case Structure:
		return bindStruct(tree, s, v)
	case List:
		return bindList(tree, s, v)
	case Map:
		return bindMap(tree, s, v)
	}
	leaf, err := leafValue(tree, s)
	if err != nil {
		return err
	}
	if !leaf.Type().AssignableTo(v.Type()) {
		return fmt.Errorf("shape: %s does not fit into %s", s.Name, v.Type())
	}
	v.Set(leaf)
	return nil
}

func bindStruct(tree any, s *Shape, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		return mismatch(s, tree)
	}
	plan, err := planFor(v.Type(), s)
	if err != nil {
		return err
	}
	for i := range s.Members {
		x := m[s.Members[i].Name]
		if x == nil {
			continue
		}
		f := v.Field(plan[i])
		if f.Kind() == reflect.Pointer {
			f.Set(reflect.New(f.Type().Elem()))
			f = f.Elem()
		}
		if err := bind(x, s.Members[i].Shape, f); err != nil {
			return at(s.Members[i].Name, err)
		}
	}
	return nil
}

func bindList(tree any, s *Shape, v reflect.Value) error {
	l, ok := tree.([]any)
	if !ok {
		return mismatch(s, tree)
	}
	out := reflect.MakeSlice(v.Type(), len(l), len(l))
	for i, x := range l {
		if err := bind(x, s.Elem, out.Index(i)); err != nil {
			return at(fmt.Sprint(i+1), err)
		}
	}
	v.Set(out)
	return nil
}

func bindMap(tree any, s *Shape, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		return mismatch(s, tree)
	}
	out := reflect.MakeMapWithSize(v.Type(), len(m))
	for k, x := range m {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := bind(x, s.Elem, e); err != nil {
			return at(k, err)
		}
		out.SetMapIndex(reflect.ValueOf(k), e)
	}
	v.Set(out)
	return nil
}

// leafValue checks that a tree's leaf has the Go type its shape asks for.
func leafValue(x any, s *Shape) (reflect.Value, error) {
	ok := false
	switch s.Kind {
	case String:
		_, ok = x.(string)
	case Boolean:
		_, ok = x.(bool)
	case Integer, Long:
		_, ok = x.(int64)
	case Float, Double:
		if n, isInt := x.(int64); isInt {
			x = float64(n)
		}
		_, ok = x.(float64)
	case Timestamp:
		_, ok = x.(time.Time)
	case Blob:
		_, ok = x.([]byte)
	}
	if !ok {
		return reflect.Value{}, mismatch(s, x)
	}
	return reflect.ValueOf(x), nil
}
