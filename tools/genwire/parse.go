package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

type model struct {
	Name   string
	Meta   map[string]string
	Ops    []*op
	Shapes []*shp
	byName map[string]*shp
}

type op struct {
	Name, Method, Path, Input, Output string
	Status                            int
	Wrapper                           string
	Unsigned                          bool
	Errors                            []string
}

// shp is a shape as its line says it; kind is the line's first word.
type shp struct {
	Kind, Name string
	Key, Elem  string
	Item       string
	Min, Max   *int64
	Flags      map[string]bool
	Attr       map[string]string
	Pattern    string
	Enum       []string
	Members    []mem
	Status     int
}

type mem struct {
	Name, Shape, Wire, In       string
	Required, Token, Deprecated bool
}

var (
	metaKeys  = words("service title id signing endpoint target version shapes protocols xmlns")
	leafKinds = words("string int long float double bool timestamp blob")
	shapeFlag = words("flattened sensitive streaming union fault")
	shapeAttr = words("payload time code")
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// parse reads one model file; the grammar is in wire/model/README.md.
func parse(file, text string) (*model, error) {
	m := &model{Meta: map[string]string{}, byName: map[string]*shp{}}
	p := parser{m: m}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	m.Name = m.Meta["service"]
	if m.Name == "" {
		return nil, fmt.Errorf("%s: no service line", file)
	}
	sort.Slice(m.Ops, func(i, j int) bool { return m.Ops[i].Name < m.Ops[j].Name })
	sort.Slice(m.Shapes, func(i, j int) bool { return m.Shapes[i].Name < m.Shapes[j].Name })
	if err := m.resolve(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

type parser struct {
	m     *model
	op    *op
	shape *shp
}

func (p *parser) line(line string) error {
	f := strings.Fields(line)
	if len(f) == 0 || f[0][0] == '#' {
		return nil
	}
	if line[0] == ' ' {
		return p.indented(f)
	}
	p.op, p.shape = nil, nil
	switch {
	case metaKeys[f[0]]:
		if _, dup := p.m.Meta[f[0]]; dup || len(f) < 2 {
			return fmt.Errorf("bad or repeated %q line", f[0])
		}
		p.m.Meta[f[0]] = strings.Join(f[1:], " ")
		return nil
	case f[0] == "op":
		return p.opLine(f)
	default:
		return p.shapeLine(line, f)
	}
}

func (p *parser) indented(f []string) error {
	switch {
	case p.op != nil && f[0] == "!":
		p.op.Errors = append(p.op.Errors, f[1:]...)
		return nil
	case p.shape != nil && f[0] == "|":
		if p.shape.Kind != "string" {
			return fmt.Errorf("%s is no string and has no values", p.shape.Name)
		}
		p.shape.Enum = append(p.shape.Enum, f[1:]...)
		return nil
	case p.shape != nil && (p.shape.Kind == "struct" || p.shape.Kind == "error"):
		return p.memberLine(f)
	}
	return fmt.Errorf("indented line belongs to nothing")
}

// op Name METHOD /path In -> Out [status=N] [wrapper=X] [unsigned]
func (p *parser) opLine(f []string) error {
	if len(f) < 7 || f[5] != "->" {
		return fmt.Errorf("an op line is: op Name METHOD /path In -> Out")
	}
	o := &op{Name: f[1], Method: f[2], Path: f[3], Input: f[4], Output: f[6]}
	for _, a := range f[7:] {
		k, v, _ := strings.Cut(a, "=")
		var err error
		switch k {
		case "status":
			o.Status, err = strconv.Atoi(v)
		case "wrapper":
			o.Wrapper = v
		case "unsigned":
			o.Unsigned = true
		default:
			err = fmt.Errorf("unknown attribute %q", a)
		}
		if err != nil {
			return err
		}
	}
	p.op = o
	p.m.Ops = append(p.m.Ops, o)
	return nil
}

func (p *parser) shapeLine(line string, f []string) error {
	if len(f) < 2 {
		return fmt.Errorf("a line starts with a kind and a name")
	}
	s := &shp{Kind: f[0], Name: f[1], Flags: map[string]bool{}, Attr: map[string]string{}}
	rest := f[2:]
	switch {
	case s.Kind == "list" && len(rest) >= 1:
		s.Elem, rest = rest[0], rest[1:]
	case s.Kind == "map" && len(rest) >= 2:
		s.Key, s.Elem, rest = rest[0], rest[1], rest[2:]
	case s.Kind == "struct", s.Kind == "error", leafKinds[s.Kind]:
	default:
		return fmt.Errorf("unknown or incomplete line %q", f[0])
	}
	for _, a := range rest {
		if a == "pattern" {
			_, s.Pattern, _ = strings.Cut(line, " pattern ")
			break
		}
		if err := s.attribute(a); err != nil {
			return err
		}
	}
	if p.m.byName[s.Name] != nil {
		return fmt.Errorf("shape %s is declared twice", s.Name)
	}
	p.m.byName[s.Name] = s
	p.m.Shapes = append(p.m.Shapes, s)
	p.shape = s
	return nil
}

func (s *shp) attribute(a string) error {
	k, v, _ := strings.Cut(a, "=")
	switch {
	case k == "min" || k == "max":
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return err
		}
		if k == "min" {
			s.Min = &n
		} else {
			s.Max = &n
		}
	case k == "status":
		n, err := strconv.Atoi(v)
		s.Status = n
		return err
	case k == "item":
		s.Item = v
	case shapeAttr[k]:
		s.Attr[k] = v
	case shapeFlag[a]:
		s.Flags[a] = true
	default:
		return fmt.Errorf("unknown attribute %q", a)
	}
	return nil
}

// Name Shape [required] [in=uri|querystring|header] [wire=x] [token] [deprecated]
func (p *parser) memberLine(f []string) error {
	if len(f) < 2 {
		return fmt.Errorf("a member line is: Name Shape")
	}
	m := mem{Name: f[0], Shape: f[1], Wire: f[0]}
	for _, a := range f[2:] {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "required":
			m.Required = true
		case "token":
			m.Token = true
		case "deprecated":
			m.Deprecated = true
		case "in":
			m.In = v
		case "wire":
			m.Wire = v
		default:
			return fmt.Errorf("unknown attribute %q", a)
		}
	}
	for _, other := range p.shape.Members {
		if goName(other.Name) == goName(m.Name) {
			return fmt.Errorf("%s has two members called %s", p.shape.Name, goName(m.Name))
		}
	}
	p.shape.Members = append(p.shape.Members, m)
	return nil
}

// resolve checks that every name refers to something fitting.
func (m *model) resolve() error {
	need := func(by, name string) error {
		if m.byName[name] == nil {
			return fmt.Errorf("%s refers to %q, which is not a shape", by, name)
		}
		return nil
	}
	for _, s := range m.Shapes {
		for _, mm := range s.Members {
			if err := need(s.Name+"."+mm.Name, mm.Shape); err != nil {
				return err
			}
		}
		for _, ref := range []string{s.Key, s.Elem} {
			if ref == "" {
				continue
			}
			if err := need(s.Name, ref); err != nil {
				return err
			}
		}
	}
	for i, o := range m.Ops {
		if i > 0 && m.Ops[i-1].Name == o.Name {
			return fmt.Errorf("operation %s is declared twice", o.Name)
		}
		for _, ref := range append([]string{o.Input, o.Output}, o.Errors...) {
			if ref == "-" {
				continue
			}
			if err := need("op "+o.Name, ref); err != nil {
				return err
			}
		}
		for _, e := range o.Errors {
			if m.byName[e].Kind != "error" {
				return fmt.Errorf("op %s: %s is not an error", o.Name, e)
			}
		}
		sort.Strings(o.Errors)
	}
	return m.acyclic()
}

// acyclic refuses recursive shapes: the schema tables are static Go data,
// which may not refer to itself, and no API served here needs recursion.
func (m *model) acyclic() error {
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		if name == "" || state[name] == 2 {
			return nil
		}
		if state[name] == 1 {
			return fmt.Errorf("shape %s contains itself", name)
		}
		state[name] = 1
		s := m.byName[name]
		for _, mm := range s.Members {
			if err := visit(mm.Shape); err != nil {
				return err
			}
		}
		if err := visit(s.Key); err != nil {
			return err
		}
		if err := visit(s.Elem); err != nil {
			return err
		}
		state[name] = 2
		return nil
	}
	for _, s := range m.Shapes {
		if err := visit(s.Name); err != nil {
			return err
		}
	}
	return nil
}
