package tools

import (
	"go/parser"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of ours a room's packages may import beside those
// of their own room. "x" is the package x alone, "x/..." the packages below it
// too. Test files, and the rooms test and tools, may import anything.
var arrows = map[string][]string{
	"cmd":     {"..."},
	"api":     {"wire/...", "domain", "fault", "service", "guest"},
	"service": {"domain", "fault", "store", "iam", "disk/facts", "disk/rules"},
	"work":    {"domain", "fault", "store", "compute", "compute/rfb", "disk", "disk/convert", "disk/facts", "disk/gate", "disk/rules", "guest"},
	"stream":  {"domain", "fault", "store", "compute", "compute/rfb", "service"},
	"store":   {"domain", "fault"},
	"compute": {"fault"},
	"disk":    {"fault"},
	"wire":    {"fault"},
	"iam":     {"fault"},
	"domain":  {},
	"fault":   {},
	"guest":   {"fault"},
	"test":    {"..."},
	"tools":   {"..."},
}

func allowed(room, imported string) bool {
	if imported == room || strings.HasPrefix(imported, room+"/") {
		return true
	}
	for _, a := range arrows[room] {
		base, tree := strings.CutSuffix(a, "...")
		if imported == a || tree && strings.HasPrefix(imported+"/", base) {
			return true
		}
	}
	return false
}

func TestImportsFollowTheArrows(t *testing.T) {
	for _, s := range sources(t) {
		if _, ok := arrows[s.room()]; !ok {
			t.Errorf("%s: the room %s is not in the plan", s.path, s.room())
			continue
		}
		if s.test {
			continue
		}
		_, f := s.parse(t, parser.ImportsOnly)
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours, ok := strings.CutPrefix(path, module+"/")
			if ok && !allowed(s.room(), ours) {
				t.Errorf("%s may not import %s", s.path, path)
			}
			if strings.HasPrefix(ours, "cmd/") && s.room() != "cmd" {
				t.Errorf("%s imports %s: nobody imports cmd", s.path, path)
			}
		}
	}
}

func TestArrowsThemselves(t *testing.T) {
	for _, c := range []struct {
		room, imported string
		ok             bool
	}{
		{"work", "work/worktest", true}, {"work", "store", true}, {"work", "store/sqlite", false}, {"work", "service", false},
		{"api", "wire/appstream", true}, {"api", "wire", true}, {"api", "wireless", false}, {"api", "store", false},
		{"cmd", "compute/qemu", true}, {"domain", "fault", false}, {"disk", "compute", false}, {"service", "disk", false},
	} {
		if allowed(c.room, c.imported) != c.ok {
			t.Errorf("%s -> %s: want %v", c.room, c.imported, c.ok)
		}
	}
}

func TestNoPackageIsCalledAfterNothing(t *testing.T) {
	for _, s := range sources(t) {
		switch _, f := s.parse(t, parser.PackageClauseOnly); f.Name.Name {
		case "util", "utils", "common", "helper", "helpers", "misc", "base":
			t.Errorf("%s: the package name %s says nothing", s.path, f.Name.Name)
		}
	}
}
