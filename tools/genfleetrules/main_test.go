package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestPageIsOfTheTests: the page is written from the tests that there are, and
// names no rule twice.
func TestPageIsOfTheTests(t *testing.T) {
	want, err := page("../..")
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../docs/FLEET-RULES.md")
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/FLEET-RULES.md is not what the tests show, %v: run `make generate`", err)
	}
	seen := map[string]bool{}
	for l := range strings.Lines(string(want)) {
		if strings.HasPrefix(l, "- ") && seen[l] {
			t.Errorf("twice: %s", l)
		}
		seen[l] = true
	}
}

// TestTestsThatAreNotThere: a rule without its test is no rule.
func TestTestsThatAreNotThere(t *testing.T) {
	was := other
	defer func() { other = was }()
	other = append(other[:len(other):len(other)], struct{ rule, pkg, test string }{"something", "work", "TestThatNobodyWrote"})
	if _, err := page("../.."); err == nil || !strings.Contains(err.Error(), "TestThatNobodyWrote") {
		t.Errorf("a test that is not there: %v", err)
	}
	other = was[:1]
	if _, err := page("../.."); err == nil || !strings.Contains(err.Error(), "TestRule") {
		t.Errorf("a rule that is not named: %v", err)
	}
}
