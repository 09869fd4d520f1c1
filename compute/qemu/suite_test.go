package qemu

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/computetest"
	"slipway/compute/guestnet"
	"slipway/guest"
	"slipway/guest/bundle"
)

// crashEnv makes the test binary a process that starts a machine and is killed
// at the named step: DIR, DISK, ID and STEP, one per line.
const crashEnv = "SLIPWAY_TEST_CRASH"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guestnet.Arg {
		os.Exit(guestnet.Main(os.Args[2:], os.Stderr))
	}
	if v := os.Getenv(crashEnv); v != "" {
		f := strings.Split(v, "\n")
		os.Exit(crash(f[0], f[1], f[2], f[3]))
	}
	os.Exit(m.Run())
}

func crash(dir, disk, id, step string) int {
	d, err := New(context.Background(), Options{Dir: dir, Accel: "tcg"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	d.step = func(at string) {
		if at == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	_, err = d.Start(context.Background(), machine(id, disk))
	fmt.Fprintln(os.Stderr, "not killed:", err)
	return 1
}

func machine(id string, layers ...string) compute.Spec {
	s := compute.Spec{ID: id, CPUs: 1, MemoryMB: 512, TPM: true}
	for _, l := range layers {
		s.Disk.Chain = append(s.Disk.Chain, compute.File{Path: l, Format: strings.TrimPrefix(filepath.Ext(l), ".")})
	}
	return s
}

// sample builds a sample guest (tools/guest); the result is kept between runs.
func sample(t *testing.T, variant string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a real machine; not with -short")
	}
	// What a child reads is unknown to the cache of go test, which would answer
	// with an old result after a change of the guest: read it here as well.
	scripts, _ := filepath.Glob("../../tools/guest/*.sh")
	for _, s := range scripts {
		if _, err := os.ReadFile(s); err != nil {
			t.Fatal(err)
		}
	}
	var errs bytes.Buffer
	cmd := exec.Command("../../tools/guest/build.sh", t.TempDir(), variant)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the sample guest cannot be built: %v\n%s", err, errs.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// tools is a CD with the guest tool as it is in this repository.
func tools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, "slipway-guest"), "../../cmd/slipway-guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the guest tool cannot be built: %v\n%s", err, out)
	}
	script, err := os.ReadFile("../../guest/bundle/files/install.sh")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "install.sh"), script, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cd, err := bundle.Make(t.Context(), os.DirFS(dir), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return cd
}

// talk waits for the greeting of a guest's tool.
func talk(ctx context.Context, c net.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	err := guest.Host{Session: rand.Text(), Greeted: func(guest.Greeting) { cancel(nil) }}.Serve(ctx, c)
	if context.Cause(ctx) == context.Canceled {
		return nil
	}
	return err
}

// overlay makes a writable layer over a raw base.
func overlay(t *testing.T, base string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "top.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", p).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s", err, out)
	}
	return p
}

// open makes a driver in a directory; the test fails where QEMU is missing.
func open(t *testing.T, dir string) *Driver {
	t.Helper()
	if testing.Short() {
		t.Skip("needs QEMU; not with -short")
	}
	d, err := New(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Features().Missing; len(m) > 0 {
		t.Fatalf("missing on this host: %v", m)
	}
	t.Cleanup(d.Close)
	return d
}

// leftovers are the files of machines and the processes that name the directory.
func leftovers(dir string) []string {
	out, _ := filepath.Glob(filepath.Join(dir, "*"))
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range all {
		b, err := os.ReadFile(p)
		if err == nil && bytes.Contains(b, []byte(dir+"/")) {
			out = append(out, p+": "+string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
		}
	}
	return out
}

// shortDir is a directory whose sockets fit; that of t.TempDir is often too long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestSuite(t *testing.T) {
	base, cd := sample(t, "linux"), tools(t)
	computetest.Run(t, func(t *testing.T) computetest.Harness {
		dir, steps, n := shortDir(t), []string{"net", "tpm", "qemu"}, 0
		return computetest.Harness{
			Boot: 4 * time.Minute,
			New:  func() compute.Driver { return open(t, dir) },
			Spec: func(id string) compute.Spec {
				s := machine(id, overlay(t, base), base)
				s.CD = cd
				return s
			},
			Talk: talk,
			HalfStart: func(id string) {
				step := steps[n%len(steps)]
				if n++; n > len(steps) {
					step = "qemu" // the last one is started over: the hardest case
				}
				startAndDie(t, dir, base, id, step)
			},
			Leftovers: func() []string { return leftovers(dir) },
		}
	})
}

// startAndDie starts a machine in another process that is killed at the step.
func startAndDie(t *testing.T, dir, disk, id, step string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+strings.Join([]string{dir, disk, id, step}, "\n"))
	// A file and not a pipe: the machine lives on, and nothing may wait for it.
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		b, _ := os.ReadFile(log.Name())
		t.Fatalf("the starter was not killed at %s: %v: %s", step, err, b)
	}
}
