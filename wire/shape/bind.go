package shape

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
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

// Bind fills dst, a pointer to the generated struct of s, from a tree. Members
// that are absent stay nil; keys the shape does not have are ignored. A value
// of the wrong type is a *TypeError; every other error is a bug in dst.
func Bind(tree map[string]any, s *Shape, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("shape: cannot bind %s to %T", s.Name, dst)
	}
	p, err := planFor(v.Type().Elem(), s)
	if err != nil {
		return err
	}
	return bind(tree, p, v.Elem())
}

func bind(tree any, p *plan, v reflect.Value) error {
	switch p.shape.Kind {
	case Structure:
		return bindStruct(tree, p, v)
	case List:
		return bindList(tree, p, v)
	case Map:
		return bindMap(tree, p, v)
	}
	leaf, err := leafValue(tree, p.shape)
	if err != nil {
		return err
	}
	switch x := leaf.(type) {
	case string:
		v.SetString(x)
	case bool:
		v.SetBool(x)
	case int64:
		v.SetInt(x)
	case float64:
		v.SetFloat(x)
	default:
		v.Set(reflect.ValueOf(x))
	}
	return nil
}

func bindStruct(tree any, p *plan, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		return mismatch(p.shape, tree)
	}
	for i := range p.fields {
		f := &p.fields[i]
		x := m[f.member.Name]
		if x == nil {
			continue
		}
		to := v.Field(f.index)
		if f.pointer {
			to.Set(reflect.New(f.plan.typ))
			to = to.Elem()
		}
		if err := bind(x, f.plan, to); err != nil {
			return at(f.member.Name, err)
		}
	}
	return nil
}

func bindList(tree any, p *plan, v reflect.Value) error {
	l, ok := tree.([]any)
	if !ok {
		return mismatch(p.shape, tree)
	}
	out := reflect.MakeSlice(p.typ, len(l), len(l))
	for i, x := range l {
		if err := bind(x, p.elem, out.Index(i)); err != nil {
			return at(strconv.Itoa(i+1), err)
		}
	}
	v.Set(out)
	return nil
}

func bindMap(tree any, p *plan, v reflect.Value) error {
	m, ok := tree.(map[string]any)
	if !ok {
		return mismatch(p.shape, tree)
	}
	out := reflect.MakeMapWithSize(p.typ, len(m))
	for k, x := range m {
		e := reflect.New(p.elem.typ).Elem()
		if err := bind(x, p.elem, e); err != nil {
			return at(k, err)
		}
		out.SetMapIndex(reflect.ValueOf(k), e)
	}
	v.Set(out)
	return nil
}

// leafValue checks that a tree's leaf has the Go type its shape asks for.
func leafValue(x any, s *Shape) (any, error) {
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
			return float64(n), nil
		}
		_, ok = x.(float64)
	case Timestamp:
		_, ok = x.(time.Time)
	case Blob:
		_, ok = x.([]byte)
	}
	if !ok {
		return nil, mismatch(s, x)
	}
	return x, nil
}
