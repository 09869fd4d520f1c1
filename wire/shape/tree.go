package shape

import (
	"fmt"
	"reflect"
)

// Tree is the reverse of Bind: it reads the generated struct src (or a pointer
// to one; a nil pointer is an empty structure) into a tree. Members that are
// unset (nil) are omitted; an empty list or map that is not nil stays.
func Tree(src any, s *Shape) (map[string]any, error) {
	v := reflect.ValueOf(src)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return map[string]any{}, nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return map[string]any{}, nil
	}
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("shape: %T is not a structure", src)
	}
	return treeStruct(v, s)
}

func treeStruct(v reflect.Value, s *Shape) (map[string]any, error) {
	plan, err := planFor(v.Type(), s)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for i := range s.Members {
		f := v.Field(plan[i])
		switch f.Kind() {
		case reflect.Pointer:
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		case reflect.Slice, reflect.Map:
			if f.IsNil() {
				continue
			}
		}
		x, err := treeValue(f, s.Members[i].Shape)
		if err != nil {
			return nil, err
		}
		out[s.Members[i].Name] = x
	}
	return out, nil
}

func treeValue(v reflect.Value, s *Shape) (any, error) {
	switch s.Kind {
	case Structure:
		if v.Kind() != reflect.Struct {
			return nil, fmt.Errorf("shape: %s is not the structure %s", v.Type(), s.Name)
		}
		return treeStruct(v, s)
	case List:
		if v.Kind() != reflect.Slice {
			return nil, fmt.Errorf("shape: %s is not the list %s", v.Type(), s.Name)
		}
		out := make([]any, v.Len())
		for i := range out {
			x, err := treeValue(v.Index(i), s.Elem)
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	case Map:
		if v.Kind() != reflect.Map {
			return nil, fmt.Errorf("shape: %s is not the map %s", v.Type(), s.Name)
		}
		out := make(map[string]any, v.Len())
		for iter := v.MapRange(); iter.Next(); {
			x, err := treeValue(iter.Value(), s.Elem)
			if err != nil {
				return nil, err
			}
			out[iter.Key().String()] = x
		}
		return out, nil
	}
	leaf, err := leafValue(v.Interface(), s)
	if err != nil {
		return nil, fmt.Errorf("shape: %s: %w", s.Name, err)
	}
	return leaf.Interface(), nil
}
