package roundtrip

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"slipway/wire"
	"slipway/wire/shape"
)

// unconstrained is a service with operations of its own that allow any length,
// number and text: constraints are tested elsewhere, and here every member must
// hold a value that nothing else holds. Enums stay.
func unconstrained(s *wire.Service) *wire.Service {
	done := map[*shape.Shape]*shape.Shape{}
	var loosen func(s *shape.Shape) *shape.Shape
	loosen = func(s *shape.Shape) *shape.Shape {
		if s == nil || done[s] != nil {
			return done[s]
		}
		c := *s
		done[s] = &c
		c.HasMin, c.HasMax, c.Pattern = false, false, ""
		c.Members = slices.Clone(s.Members)
		for i := range c.Members {
			c.Members[i].Shape = loosen(c.Members[i].Shape)
		}
		c.Key, c.Elem = loosen(s.Key), loosen(s.Elem)
		return &c
	}
	c := *s
	c.Shapes, c.Ops = slices.Clone(s.Shapes), slices.Clone(s.Ops)
	for i := range c.Shapes {
		c.Shapes[i] = loosen(c.Shapes[i])
	}
	for i, op := range c.Ops {
		o := *op
		o.Service, o.Input, o.Output = &c, loosen(op.Input), loosen(op.Output)
		c.Ops[i] = &o
	}
	return &c
}

func (p *proof) equal(what string, got, want any) {
	p.t.Helper()
	if d := difference(got, want, ""); d != "" {
		p.t.Errorf("%s: %s", what, d)
	}
	p.compared += leaves(want)
}

// difference says where two trees first differ.
func difference(got, want any, path string) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v", path, got)
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if d := difference(g[k], w[k], path+"."+k); d != "" {
				return d
			}
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				return fmt.Sprintf("%s.%s came from nowhere: %v", path, k, g[k])
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is %v, not %v", path, got, want)
		}
		for i := range w {
			if d := difference(g[i], w[i], fmt.Sprintf("%s.%d", path, i+1)); d != "" {
				return d
			}
		}
		return ""
	case time.Time:
		if g, ok := got.(time.Time); ok && g.Round(time.Millisecond).Equal(w.Round(time.Millisecond)) {
			return ""
		}
	default:
		if reflect.DeepEqual(got, want) {
			return ""
		}
	}
	return fmt.Sprintf("%s is %#v, not %#v", path, got, want)
}

func leaves(tree any) int {
	n := 0
	switch t := tree.(type) {
	case map[string]any:
		for _, x := range t {
			n += leaves(x)
		}
	case []any:
		for _, x := range t {
			n += leaves(x)
		}
	default:
		return 1
	}
	return n
}

// ours are fields of the clients' structs that no model has.
var ours = []string{"ResultMetadata", "ErrorCodeOverride"}

// tree reads a client's value as our model sees it. A member of the client's
// that our model lacks is an error.
func (p *proof) tree(v reflect.Value, s *shape.Shape, path string) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		if v.Kind() == reflect.Interface {
			return p.union(v, s, path)
		}
		v = v.Elem()
	}
	p.checkEnum(v.Type(), s, path)
	switch s.Kind {
	case shape.Structure:
		return p.treeStruct(v, s, path)
	case shape.List:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = p.tree(v.Index(i), s.Elem, path)
		}
		return out
	case shape.Map:
		out := map[string]any{}
		p.checkEnum(v.Type().Key(), s.Key, path)
		for iter := v.MapRange(); iter.Next(); {
			out[iter.Key().String()] = p.tree(iter.Value(), s.Elem, path)
		}
		return out
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.Slice:
		return v.Bytes()
	}
	return v.Interface()
}

func (p *proof) treeStruct(v reflect.Value, s *shape.Shape, path string) any {
	out := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || slices.Contains(ours, f.Name) {
			continue
		}
		m := memberFor(s, f.Name)
		if m == nil && s.IsError() && f.Name == "Message" {
			continue // every exception of the clients has one, modelled or not
		}
		if m == nil {
			p.t.Errorf("%s: our model of %s has no %s", path, s.Name, f.Name)
			continue
		}
		if k := f.Type.Kind(); (k == reflect.Slice || k == reflect.Map) && v.Field(i).IsNil() {
			continue
		}
		if x := p.tree(v.Field(i), m.Shape, path+"."+m.Name); x != nil {
			out[m.Name] = x
		}
	}
	return out
}

// union reads …MemberX{Value}.
func (p *proof) union(v reflect.Value, s *shape.Shape, path string) any {
	x := v.Elem().Elem()
	_, name, _ := strings.Cut(x.Type().Name(), "Member")
	m := memberFor(s, name)
	if m == nil {
		p.t.Errorf("%s: our model of %s has no %s", path, s.Name, name)
		return nil
	}
	return map[string]any{m.Name: p.tree(x.FieldByName("Value"), m.Shape, path+"."+m.Name)}
}

func memberFor(s *shape.Shape, field string) *shape.Member {
	for i := range s.Members {
		if s.Members[i].GoField() == field {
			return &s.Members[i]
		}
	}
	return nil
}

// checkEnum wants every value that the client has for an enum in our model.
func (p *proof) checkEnum(t reflect.Type, s *shape.Shape, path string) {
	if len(s.Enum) == 0 {
		return
	}
	for _, v := range valuesOf(t) {
		if !slices.Contains(s.Enum, v) {
			p.t.Errorf("%s: our model of %s has no value %s", path, s.Name, v)
		}
		p.enums[s.Name+" "+v] = true
	}
}

// known is a tree without the members that the client's type does not have;
// those are counted.
func (p *proof) known(tree any, s *shape.Shape, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch x := tree.(type) {
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = p.known(x[i], s.Elem, t.Elem())
		}
		return out
	case map[string]any:
		if t.Kind() == reflect.Interface {
			return x
		}
		out := map[string]any{}
		for k, v := range x {
			if s.Kind == shape.Map {
				out[k] = p.known(v, s.Elem, t.Elem())
				continue
			}
			m := s.Member(k)
			f, ok := t.FieldByName(m.GoField())
			if !ok {
				p.unknown[s.Name+"."+k] = true
				continue
			}
			out[k] = p.known(v, m.Shape, f.Type)
		}
		return out
	}
	return tree
}
