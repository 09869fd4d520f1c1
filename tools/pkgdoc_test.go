package tools

import (
	"go/parser"
	"testing"
)

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	said := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		_, f := s.parse(t, parser.ParseComments|parser.PackageClauseOnly)
		said[s.dir] = said[s.dir] || f.Doc != nil && len(f.Doc.Text()) > 30
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s: no doc comment that says what lives there", dir)
		}
	}
}
