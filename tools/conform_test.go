package tools

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"slipway/api"
)

// The script that real clients run has every built operation, and a refusal of
// each that is not excused. Whether it is right, `make test` finds out; this
// costs nothing and says at once what to add.
func TestConformScript(t *testing.T) {
	files, err := filepath.Glob("../test/conform/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var script []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, b...)
	}
	// An indented line goes on from the one before.
	script = regexp.MustCompile(`\n[ \t]+`).ReplaceAll(script, []byte(" "))
	calls, refusals := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(never )?(\w+\.\w+)(@\w+)? .*?( => ! \S+)?$`).FindAllStringSubmatch(string(script), -1) {
		if m[1] != "" || m[4] != "" {
			refusals[m[2]] = true
		} else {
			calls[m[2]] = true
		}
	}
	for _, op := range api.Operations() {
		name := op.Service.Name + "." + op.Name
		if op.Built && !calls[name] {
			t.Errorf("%s is built, but test/conform does not call it: add a line %q where it succeeds (test/conform/README.md)", name, name+" {…}")
		}
		clientsFault := len(op.Errors) == 0 || len(op.Errors) > 1 || op.Errors[0] != "ServiceFailureException"
		if op.Built && clientsFault && !refusals[name] {
			t.Errorf("test/conform never sees %s refused: add a line %q (test/conform/README.md)", name, name+" {…} => ! Error")
		}
	}
}
