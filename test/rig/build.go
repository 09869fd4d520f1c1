package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Main is for TestMain: it removes the program that Bin builds when all tests
// have run.
func Main(m *testing.M) {
	code := m.Run()
	if builtDir != "" {
		os.RemoveAll(builtDir) // what stays lies in the directory for temporary files
	}
	os.Exit(code)
}

var builtDir string

var built = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("SLIPWAY_BIN"); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "slipway-bin-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	bin := filepath.Join(dir, "slipway")
	if _, err := tool("go", "build", "-o", bin, "./cmd/slipway"); err != nil {
		return "", err
	}
	return bin, nil
})

// Bin is the program under test: the one that SLIPWAY_BIN names, or one built
// from the repository as it is.
func Bin(t testing.TB) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Fixture makes a disk of 1 GiB of package disk/fixture.
func Fixture(t testing.TB, kind string, flags ...string) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), kind+".raw")
	args := append([]string{"run", "./tools/fixture", kind, disk, "--size", "1"}, flags...)
	if _, err := tool("go", args...); err != nil {
		t.Fatal(err)
	}
	return disk
}

// Guest makes a disk of tools/guest that boots, or does not in a known way.
func Guest(t testing.TB, variant string) string {
	t.Helper()
	out, err := tool("tools/guest/build.sh", t.TempDir(), variant)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BootFile makes the sample guest as one EFI program that says it is that
// operating system.
func BootFile(t testing.TB, system string) string {
	t.Helper()
	out, err := tool("tools/guest/uki.sh", filepath.Join(t.TempDir(), "boot.efi"), system)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tool runs a tool of the repository and returns the last line that it prints.
func tool(name string, args ...string) (string, error) {
	if strings.Contains(name, "/") {
		name = filepath.Join(Root(), name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = Root()
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}
