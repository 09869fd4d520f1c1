package tool

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"slipway/guest"
)

// TestExported: a shell finds the values as they were given, whatever they say.
func TestExported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "profile.d", "vars.sh")
	for _, value := range []string{"plain", "", "it's $(touch /tmp/never) `x` \"y\" \\", "two\nlines", "ü"} {
		if err := exported(path, map[string]string{"A": value, "B": "b"}); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("/bin/sh", "-c", `. "$0"; printf '%s|%s' "$A" "$B"`, path).CombinedOutput()
		if err != nil || string(out) != value+"|b" {
			t.Errorf("%q: %q, %v", value, out, err)
		}
	}
	if err := exported(path, nil); err != nil { // the order takes the place of the one before
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
}

func TestEnterOrder(t *testing.T) {
	at, o := ordered(t)
	var got guest.Environment
	o.Enter = func(e guest.Environment) error { got = e; return nil }
	if _, err := at.Give(t.Context(), guest.OrderEnter, guest.Environment{User: map[string]string{"A": "b"}}); err != nil || got.User["A"] != "b" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, name := range []string{"", "A B", "A=", "A\n", "$(x)"} {
		if _, err := at.Give(t.Context(), guest.OrderEnter, guest.Environment{Machine: map[string]string{name: "b"}}); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}
