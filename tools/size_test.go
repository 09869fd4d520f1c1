package tools

import (
	"go/ast"
	"go/parser"
	"testing"
)

const (
	maxFile     = 800 // lines; 300 is the habit
	maxFunction = 80
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		set, f := s.parse(t, parser.ParseComments|parser.SkipObjectResolution)
		if ast.IsGenerated(f) {
			continue
		}
		if n := set.File(f.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFile)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", set.Position(fn.Pos()), fn.Name.Name, n, maxFunction)
			}
		}
	}
}
