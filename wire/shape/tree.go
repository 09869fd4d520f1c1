package shape

import "reflect"

// Tree is the reverse of Bind: it reads the generated struct src (or a pointer
// to one; a nil pointer is an empty structure) into a tree. Members that are
// unset (nil) are omitted; an empty list or map that is not nil stays. A tree
// is returned as it is.
func Tree(src any, s *Shape) (map[string]any, error) {
	if tree, ok := src.(map[string]any); ok {
		return tree, nil
	}
	v, ok, err := structOf(src)
	if err != nil {
		return nil, err
	}
	if !ok {
		return map[string]any{}, nil
	}
	p, err := planFor(v.Type(), s)
	if err != nil {
		return nil, err
	}
	return treeStruct(v, p), nil
}

func treeStruct(v reflect.Value, p *plan) map[string]any {
	out := map[string]any{}
	for i := range p.fields {
		if x, set := p.fields[i].get(v); set {
			out[p.fields[i].member.Name] = treeValue(x, p.fields[i].plan)
		}
	}
	return out
}

func treeValue(v reflect.Value, p *plan) any {
	switch p.shape.Kind {
	case Structure:
		return treeStruct(v, p)
	case List:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = treeValue(v.Index(i), p.elem)
		}
		return out
	case Map:
		out := make(map[string]any, v.Len())
		for iter := v.MapRange(); iter.Next(); {
			out[iter.Key().String()] = treeValue(iter.Value(), p.elem)
		}
		return out
	case Timestamp:
		return timeIn(v)
	}
	return v.Interface()
}
