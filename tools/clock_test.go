package tools

import (
	"go/ast"
	"go/parser"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// hidden are the ways in which a function depends on what its caller does not
// see.
var hidden = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep"},
	"os":   {"Getenv", "LookupEnv", "Environ"},
}

// mayHide lists who may do so all the same, with the reason. A path ending in /
// is a folder and all below it.
var mayHide = map[string]string{
	"cmd/":              "flags, environment and wiring are its business",
	"domain/clock.go":   "the one clock that everybody else is given",
	"wire/http.go":      "deadlines of sockets are in the machine's time",
	"stream/gateway.go": "deadlines of sockets are in the machine's time",
	"compute/":          "deadlines of sockets and processes are in the machine's time; drivers write nothing into the store",
}

// excused tells whether a path may hide something, and remembers the excuse.
func excused(path string, used map[string]bool) bool {
	for p := range mayHide {
		if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
			used[p] = true
			return true
		}
	}
	return false
}

func TestTimeRandomnessAndEnvironmentAreGiven(t *testing.T) {
	used := map[string]bool{}
	for _, s := range sources(t) {
		for where, what := range hiding(t, s) {
			switch {
			case what == "time.Sleep" && s.room() != "cmd":
				t.Errorf("%s: time.Sleep; wait for what you wait for", where)
			case what != "time.Sleep" && !s.supports() && !excused(s.path, used):
				t.Errorf("%s: %s; the caller gives it (domain.Clock, domain.IDs, options)", where, what)
			}
		}
	}
	for p := range mayHide {
		if !used[p] {
			t.Errorf("the excuse for %s is not needed", p)
		}
	}
}

// hiding finds hidden inputs in a file: positions and what stands there.
func hiding(t *testing.T, s source) map[string]string {
	t.Helper()
	set, f := s.parse(t, parser.SkipObjectResolution)
	out := map[string]string{}
	names := map[string]string{} // local name of an import to its path
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = path
		if strings.HasPrefix(path, "math/rand") {
			out[set.Position(i.Pos()).String()] = path
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(hidden[names[id.Name]], sel.Sel.Name) {
			out[set.Position(n.Pos()).String()] = names[id.Name] + "." + sel.Sel.Name
		}
		return true
	})
	return out
}
