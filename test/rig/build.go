package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"slipway/guest/bundle"
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

var built = sync.OnceValues(func() (bin string, err error) {
	if os.Getenv("SLIPWAY_BIN") == "" {
		if builtDir, err = os.MkdirTemp("", "slipway-bin-"); err != nil {
			return "", err
		}
	}
	return Build(context.Background(), builtDir)
})

// Build gives the path of the program to run: the one that SLIPWAY_BIN names,
// or one built into dir now.
func Build(ctx context.Context, dir string) (string, error) {
	if bin := os.Getenv("SLIPWAY_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	bin := filepath.Join(dir, "slipway")
	// It carries the guest tools. Those that are there are taken as they are:
	// `make guesttools` makes newer ones.
	if missing := bundle.Missing(); len(missing) > 0 {
		if _, err := tool(ctx, "make", "--no-print-directory", "guesttools"); err != nil {
			return "", err
		}
	}
	_, err := tool(ctx, "go", "build", "-o", bin, "./cmd/slipway")
	return bin, err
}

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

// ForGuest builds a program of the repository, as small as it gets, and gives its
// path.
func ForGuest(t testing.TB, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), filepath.Base(pkg))
	if _, err := tool(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, "./"+pkg); err != nil {
		t.Fatal(err)
	}
	return bin
}

// Fixture makes a disk of 1 GiB of package disk/fixture.
func Fixture(t testing.TB, kind string, flags ...string) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), kind+".raw")
	args := append([]string{"run", "./tools/fixture", kind, disk, "--size", "1"}, flags...)
	if _, err := tool(t.Context(), "go", args...); err != nil {
		t.Fatal(err)
	}
	return disk
}

// Guest makes a disk of tools/guest that boots, or does not in a known way.
func Guest(t testing.TB, variant string) string {
	t.Helper()
	out, err := tool(t.Context(), "tools/guest/build.sh", t.TempDir(), variant)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BootFile makes the sample guest as one EFI program that says it is that
// operating system.
func BootFile(t testing.TB, system string) string {
	t.Helper()
	out, err := tool(t.Context(), "tools/guest/uki.sh", filepath.Join(t.TempDir(), "boot.efi"), system)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// SampleDisk makes the sample guest's disk, or finds it made, and gives its path.
func SampleDisk(ctx context.Context) (string, error) {
	return tool(ctx, "make", "--no-print-directory", "guest")
}

// tool runs a tool of the repository and returns the last line that it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	if strings.Contains(name, "/") {
		name = filepath.Join(Root(), name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as in what ships
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}
