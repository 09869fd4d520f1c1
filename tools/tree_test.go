package tools

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "slipway"

// source is one Go file of the repository.
type source struct {
	path string // from the root, with slashes
	dir  string // of path; "." for the root
	test bool   // a test file
}

// room is the first folder of the file's path.
func (s source) room() string {
	room, _, _ := strings.Cut(s.dir, "/")
	return room
}

// supports tells whether a file only serves tests: it is one, or lies in a room
// or package of test helpers.
func (s source) supports() bool {
	return s.test || s.room() == "test" || s.room() == "tools" || strings.HasSuffix(s.dir, "test")
}

// sources lists the repository's Go files. The walk reads the tree itself, not
// with the go command: the test cache sees what a test reads, and not what its
// child processes read.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") {
			out = append(out, source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(name, "_test.go")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(out))
	}
	return out
}

// parse reads a file's syntax.
func (s source) parse(t *testing.T, mode parser.Mode) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, filepath.Join("..", filepath.FromSlash(s.path)), nil, mode)
	if err != nil {
		t.Fatal(err)
	}
	return set, f
}
