package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(filepath.Join(root, "wire", "model"))
	if err != nil {
		t.Fatal(err)
	}
	if err := compare(filepath.Join(root, "wire"), want); err != nil {
		t.Error(err)
	}
	again, err := generate(filepath.Join(root, "wire", "model"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if string(want[name]) != string(again[name]) {
			t.Errorf("%s differs from one run to the next", name)
		}
	}
}

const tiny = `# a comment
service tiny
title Tiny Service
signing tiny
version 2020-01-01
shapes com.amazonaws.tiny
protocols awsJson1_1

op Make POST / MakeRequest -> - status=201
 ! Broken
struct MakeRequest
  name Name required
  When Time wire=when in=querystring
error Broken status=404 code=Bust
  Message Name
string Name min=1 max=9 sensitive pattern ^a b = c$
string Color
  | DARK_RED DARK-RED m5.large
timestamp Time
`

func TestWhatATinyModelBecomes(t *testing.T) {
	m, err := parse("tiny.model", tiny)
	if err != nil {
		t.Fatal(err)
	}
	files, err := emit(m)
	if err != nil {
		t.Fatal(err)
	}
	for file, parts := range map[string][]string{
		"gen_ops.go": {"DO NOT EDIT.", `OpMake = &wire.Op{Service: Service, Name: "Make"`, "Status: 201", `Errors:   []string{"Broken"}`,
			"type MakeOutput struct{}", "MakeInput = MakeRequest"},
		"gen_structs.go": {"Name *string // required", "When *time.Time"},
		"gen_schema.go": {`Min: 1, HasMin: true, Max: 9, HasMax: true, Pattern: "^a b = c$", Sensitive: true`,
			`{Name: "When", Wire: "when", Shape: &shapeTime, In: shape.Query}`, `Error: &shape.ErrorTrait{Code: "Bust", Status: 404, Fault: false}`},
		"gen_enums.go": {`ColorDarkRed   = "DARK_RED"`, `ColorDarkRed_2 = "DARK-RED"`, `ColorM5Large   = "m5.large"`},
	} {
		for _, p := range parts {
			if !strings.Contains(string(files[file]), p) {
				t.Errorf("%s has no %q:\n%s", file, p, files[file])
			}
		}
	}
}

func TestModelMistakesAreRefused(t *testing.T) {
	for name, edit := range map[string][2]string{
		"unknown shape":        {"name Name required", "name Nome required"},
		"unknown error":        {"! Broken", "! Other"},
		"error that is none":   {"! Broken", "! MakeRequest"},
		"unknown attribute":    {"min=1", "minimum=1"},
		"bad number":           {"min=1", "min=x"},
		"unknown member word":  {"required", "needed"},
		"unknown kind":         {"timestamp Time", "instant Time"},
		"repeated shape":       {"timestamp Time", "timestamp Time\ntimestamp Time"},
		"repeated member":      {"  When Time", "  Name Name\n  When Time"},
		"repeated meta":        {"signing tiny", "signing tiny\nsigning other"},
		"no service":           {"service tiny\n", ""},
		"orphan":               {"# a comment", "  Name Name"},
		"recursion":            {"  Message Name", "  Message Broken"},
		"incomplete operation": {" -> - status=201", ""},
		"repeated operation":   {"struct MakeRequest", "op Make POST / MakeRequest -> -\nstruct MakeRequest"},
		"values of a struct":   {"timestamp Time", "struct S\n  | A"},
	} {
		if !strings.Contains(tiny, edit[0]) {
			t.Fatalf("%s: nothing to edit", name)
		}
		if _, err := parse("tiny.model", strings.Replace(tiny, edit[0], edit[1], 1)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestStaleAndLeftOverFilesAreFound(t *testing.T) {
	dir := t.TempDir()
	want := map[string][]byte{"tiny/gen_ops.go": []byte("package tiny\n")}
	if err := compare(dir, want); err == nil {
		t.Error("a missing file is not stale")
	}
	if err := write(dir, want); err != nil {
		t.Fatal(err)
	}
	if err := compare(dir, want); err != nil {
		t.Error(err)
	}
	left := filepath.Join(dir, "tiny", "gen_old.go")
	if err := os.WriteFile(left, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := compare(dir, want); err == nil || !strings.Contains(err.Error(), "gen_old.go") {
		t.Errorf("a left-over file passes: %v", err)
	}
	if err := write(dir, want); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Error("a left-over file stays")
	}
}
