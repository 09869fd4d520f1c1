package query

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"slipway/wire"
	"slipway/wire/shape"
)

// Decode reads r.Form into the input tree of r.Op. Parameters that the input
// does not have (Action, Version, the X-Amz-* of a presigned request among
// them) are passed over. Errors: *wire.Exception.
func (c Codec) Decode(r *wire.Request) (map[string]any, error) {
	root, err := c.grow(r.Form)
	if err != nil {
		return nil, err
	}
	return c.structure(r.Op.Input, root, "")
}

func (c Codec) structure(s *shape.Shape, n *node, path string) (map[string]any, error) {
	out := map[string]any{}
	for i := range s.Members {
		m := &s.Members[i]
		name := c.paramName(m)
		child := n.children[name]
		if child == nil {
			continue
		}
		v, err := c.value(m.Shape, child, join(path, name))
		if err != nil {
			return nil, err
		}
		if v != nil {
			out[m.Name] = v
		}
	}
	return out, nil
}

// paramName is the member's name in a form. ec2Query capitalises the wire name
// (the model gives it in the lower case of answers: imageId, ImageId).
func (c Codec) paramName(m *shape.Member) string {
	if !c.ec2 || m.Wire == "" {
		return m.Wire
	}
	return strings.ToUpper(m.Wire[:1]) + m.Wire[1:]
}

// value reads one member; nil means that nothing usable is there.
func (c Codec) value(s *shape.Shape, n *node, path string) (any, error) {
	switch s.Kind {
	case shape.Structure:
		if len(n.children) == 0 {
			return nil, nil
		}
		return wrap(c.structure(s, n, path))
	case shape.List:
		return c.list(s, n, path)
	case shape.Map:
		return c.mapping(s, n, path)
	}
	if !n.set {
		return nil, nil
	}
	return c.scalar(s, n.value, path)
}

// wrap keeps a nil map from becoming a non-nil any.
func wrap(m map[string]any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// list reads Name.1 (ec2Query, flattened lists) or Name.member.1.
func (c Codec) list(s *shape.Shape, n *node, path string) (any, error) {
	holder := n
	if !c.ec2 && !s.Flattened {
		name := s.ElemName
		if name == "" {
			name = "member"
		}
		if holder = n.children[name]; holder == nil {
			holder = &node{}
		}
		path = join(path, name)
	}
	elements := holder.elements()
	if len(elements) == 0 && !(n.set && n.value == "") {
		return nil, nil
	}
	// SDKs say "empty list" as a bare "Name=".
	out := make([]any, 0, len(elements))
	for _, e := range elements {
		v, err := c.value(s.Elem, e, path)
		if err != nil {
			return nil, err
		}
		if v == nil && s.Elem.Kind == shape.Structure {
			v = map[string]any{}
		}
		if v != nil {
			out = append(out, v)
		}
	}
	return out, nil
}

// mapping reads Name.entry.1.key and Name.entry.1.value, or the same without
// "entry" when flattened.
func (c Codec) mapping(s *shape.Shape, n *node, path string) (any, error) {
	holder := n
	if !c.ec2 && !s.Flattened {
		if holder = n.children["entry"]; holder == nil {
			holder = &node{}
		}
		path = join(path, "entry")
	}
	entries := holder.elements()
	if len(entries) == 0 && !(n.set && n.value == "") {
		return nil, nil
	}
	out := make(map[string]any, len(entries))
	for _, e := range entries {
		k, v := e.children["key"], e.children["value"]
		if k == nil || !k.set || v == nil {
			return nil, c.bad("MalformedQueryString", "An entry of the parameter '%s' lacks its key or its value.", clip(path))
		}
		if _, twice := out[k.value]; twice {
			return nil, c.bad("MalformedQueryString", "The key '%s' of the parameter '%s' is given more than once.", clip(k.value), clip(path))
		}
		val, err := c.value(s.Elem, v, path)
		if err != nil {
			return nil, err
		}
		if val != nil {
			out[k.value] = val
		}
	}
	return out, nil
}

func (c Codec) scalar(s *shape.Shape, text, path string) (any, error) {
	switch s.Kind {
	case shape.String:
		return text, nil
	case shape.Boolean:
		switch strings.ToLower(text) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, c.unreadable(path, text, "boolean")
	case shape.Integer, shape.Long:
		bits := 64
		if s.Kind == shape.Integer {
			bits = 32
		}
		if i, err := strconv.ParseInt(text, 10, bits); err == nil {
			return i, nil
		}
		return nil, c.unreadable(path, text, "integer")
	case shape.Float, shape.Double:
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
		return nil, c.unreadable(path, text, "number")
	case shape.Timestamp:
		if t, ok := parseTime(text); ok {
			return t, nil
		}
		return nil, c.unreadable(path, text, "timestamp")
	case shape.Blob:
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			return b, nil
		}
		return nil, c.unreadable(path, text, "base64 value")
	}
	return nil, wire.Exceptionf("InternalFailure", "A parameter has a type this server cannot read.")
}

func (c Codec) unreadable(path, text, kind string) error {
	return c.bad("InvalidParameterValue", "Invalid value '%s' for %s. It must be a valid %s.", clip(text), clip(path), kind)
}

// parseTime reads ISO 8601 with and without fraction or zone, as AWS does.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04Z", "2006-01-02", "20060102T150405Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
