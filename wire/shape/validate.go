package shape

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Rule is the class of a constraint.
type Rule uint8

// The rules.
const (
	NotNull Rule = iota + 1
	Length
	Range
	Pattern
	EnumSet
	OneMember
)

// Violation is one broken constraint.
type Violation struct {
	Rule  Rule
	Path  string // "appCatalogConfig.1.member.name"
	Wire  string // the wire name of the innermost member
	Value string // as it may be shown; empty when Hidden
	// Hidden values are sensitive and appear nowhere.
	Hidden bool
	Must   string // "have length less than or equal to 100"
}

func (v Violation) String() string {
	value := "Value '" + v.Value + "'"
	switch {
	case v.Rule == NotNull:
		value = "Value null"
	case v.Hidden:
		value = "Value"
	}
	return value + " at '" + v.Path + "' failed to satisfy constraint: Member must " + v.Must
}

// ValidationError holds the violations of a request: all of them, or the first
// maxListed and how many there are.
type ValidationError struct {
	Violations []Violation
	Count      int // 0: as many as are listed
}

// maxListed bounds what is kept of violations whose number the caller chooses.
const maxListed = 100

func (e *ValidationError) Error() string {
	n := max(e.Count, len(e.Violations))
	plural := "s"
	if n == 1 {
		plural = ""
	}
	parts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		parts[i] = v.String()
	}
	return fmt.Sprintf("%d validation error%s detected: %s", n, plural, strings.Join(parts, "; "))
}

// Validate checks a tree against every constraint of its shape. It returns nil
// or a *ValidationError with all violations, in the order of the model's
// members. The tree must have passed Conform (or come from Tree).
func Validate(tree map[string]any, s *Shape) error {
	w := walker{}
	w.structure(tree, s, "", false)
	if w.count == 0 {
		return nil
	}
	return &ValidationError{Violations: w.found, Count: w.count}
}

type walker struct {
	found []Violation
	count int
}

// spot is where the walk stands.
type spot struct {
	path, wire string
	hidden     bool // a shape further out is sensitive
}

func (w *walker) add(r Rule, at spot, s *Shape, v any, must string, args ...any) {
	if w.count++; w.count > maxListed {
		return
	}
	x := Violation{Rule: r, Path: at.path, Wire: at.wire, Must: fmt.Sprintf(must, args...), Hidden: at.hidden || s.Sensitive}
	if !x.Hidden && r != NotNull {
		x.Value = show(v, s)
	}
	w.found = append(w.found, x)
}

func (w *walker) structure(m map[string]any, s *Shape, path string, hidden bool) {
	if path != "" {
		path += "."
	}
	for i := range s.Members {
		mem := &s.Members[i]
		at := spot{path + lowerFirst(mem.Name), mem.Wire, hidden}
		x, ok := m[mem.Name]
		if !ok {
			if mem.Required {
				w.add(NotNull, at, mem.Shape, nil, "not be null")
			}
			continue
		}
		w.value(x, mem.Shape, at)
	}
}

func (w *walker) value(x any, s *Shape, at spot) {
	inner := spot{at.path, at.wire, at.hidden || s.Sensitive}
	switch v := x.(type) {
	case map[string]any:
		if s.Kind == Map {
			w.length(int64(len(v)), v, s, at)
			w.mapEntries(v, s, inner)
			return
		}
		if s.Union && len(v) != 1 {
			w.add(OneMember, at, s, v, "have exactly one member set")
		}
		w.structure(v, s, at.path, inner.hidden)
	case []any:
		w.length(int64(len(v)), v, s, at)
		for i, e := range v {
			w.value(e, s.Elem, spot{at.path + "." + strconv.Itoa(i+1) + ".member", at.wire, inner.hidden})
		}
	case string:
		w.text(v, s, at)
	case []byte:
		w.length(int64(len(v)), v, s, at)
	case int64:
		w.number(v, s, at)
	}
}

func (w *walker) mapEntries(m map[string]any, s *Shape, at spot) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		step := clip(k, 128)
		if at.hidden || s.Key.Sensitive {
			step = "***"
		}
		w.text(k, s.Key, spot{at.path + "." + step + ".key", at.wire, at.hidden})
		w.value(m[k], s.Elem, spot{at.path + "." + step + ".member", at.wire, at.hidden})
	}
}

func (w *walker) text(v string, s *Shape, at spot) {
	w.length(int64(utf8.RuneCountInString(v)), v, s, at)
	if s.Pattern != "" {
		// A pattern that does not compile constrains nothing; the tests of the
		// model refuse it long before.
		if ok, err := Matches(s.Pattern, v); err == nil && !ok {
			w.add(Pattern, at, s, v, "satisfy regular expression pattern: %s", s.Pattern)
		}
	}
	if len(s.Enum) == 0 {
		return
	}
	for _, e := range s.Enum {
		if e == v {
			return
		}
	}
	w.add(EnumSet, at, s, v, "satisfy enum value set: [%s]", strings.Join(s.Enum, ", "))
}

func (w *walker) length(n int64, v any, s *Shape, at spot) {
	if s.HasMin && n < s.Min {
		w.add(Length, at, s, v, "have length greater than or equal to %d", s.Min)
	}
	if s.HasMax && n > s.Max {
		w.add(Length, at, s, v, "have length less than or equal to %d", s.Max)
	}
}

func (w *walker) number(n int64, s *Shape, at spot) {
	if s.HasMin && n < s.Min {
		w.add(Range, at, s, n, "have value greater than or equal to %d", s.Min)
	}
	if s.HasMax && n > s.Max {
		w.add(Range, at, s, n, "have value less than or equal to %d", s.Max)
	}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// show prints a value the way AWS does (Java's toString), without anything
// sensitive, and not at any length.
func show(v any, s *Shape) string {
	var b strings.Builder
	showTo(&b, v, s)
	return clip(b.String(), 1024)
}

func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "..."
}

func showTo(b *strings.Builder, v any, s *Shape) {
	if s.Sensitive {
		b.WriteString("***")
		return
	}
	if b.Len() > 4096 {
		return
	}
	switch v := v.(type) {
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			showTo(b, e, s.Elem)
		}
		b.WriteByte(']')
	case map[string]any:
		showMap(b, v, s)
	case []byte:
		fmt.Fprintf(b, "[%d bytes]", len(v))
	case time.Time:
		b.WriteString(v.UTC().Format(time.RFC3339Nano))
	default:
		fmt.Fprint(b, v)
	}
}

func showMap(b *strings.Builder, m map[string]any, s *Shape) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		elem := s.Elem
		if s.Kind == Structure {
			elem = s.Member(k).Shape
		}
		b.WriteString(k + "=")
		showTo(b, m[k], elem)
	}
	b.WriteByte('}')
}
