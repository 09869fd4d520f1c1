package convert

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/disk/gate"
)

func TestStoppedProgramIsGoneWithAllItStarted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var pids []int
	err := processes{}.Run(ctx, []string{"/bin/sh", "-c", "sleep 1000 & echo $!; echo $$; wait"}, func(line string) {
		if pid, err := strconv.Atoi(line); err == nil {
			pids = append(pids, pid)
		}
		if len(pids) == 2 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || len(pids) != 2 {
		t.Fatal(err, pids)
	}
	for _, pid := range pids {
		for tries := 0; alive(pid); tries++ {
			if tries == 1000 {
				t.Errorf("%d lives", pid)
				break
			}
			<-time.After(5 * time.Millisecond) // it was killed; the kernel is at it
		}
	}
}

// alive is false for what init has not buried yet, too.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestExitErrors(t *testing.T) {
	var e *ExitError
	err := processes{}.Run(t.Context(), []string{"/bin/sh", "-c", "echo bad >&2; exit 3"}, func(string) {})
	if !errors.As(err, &e) || e.Code != 3 || e.Signal != "" || !strings.Contains(e.Stderr, "bad") {
		t.Errorf("exit: %v", err)
	}
	err = processes{}.Run(t.Context(), []string{"/bin/sh", "-c", "kill -SEGV $$"}, func(string) {})
	if !errors.As(err, &e) || e.Signal == "" {
		t.Errorf("signal: %v", err)
	}
}

func TestProgress(t *testing.T) {
	for line, want := range map[string]float64{"    (0.00/100%)": 0, "    (12.34/100%)": 12.34, "(100.00/100%)": 100, "(101.00/100%)": -1, "": -1, "(x/100%)": -1, "12/100%)": -1, "(NaN/100%)": -1} {
		got, ok := progressOf(line)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	var said []string
	l := &lines{each: func(s string) { said = append(said, s) }}
	for _, part := range []string{"  (1.00/", "100%)\r  (2.00/100%)\r", "\n\r", "(3.00/100%)"} {
		_, _ = l.Write([]byte(part))
	}
	if want := []string{"  (1.00/100%)", "  (2.00/100%)"}; !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
}

// Everything that qemu-img is told, and all that it gets.
func TestCommandLine(t *testing.T) {
	s := &sandbox{img: "/usr/bin/qemu-img", prlimit: "/usr/bin/prlimit", bwrap: "/usr/bin/bwrap", system: []string{"--symlink", "usr/lib", "/lib"}}
	l := limits{file: 1000, cpu: 10}
	got := strings.Join(s.argv(gate.VHD, "/data/raw", "/data/out", "disk.vhd", l), " ")
	want := "/usr/bin/prlimit --as=2147483648 --cpu=10 --nofile=64 --core=0 --fsize=1000 /usr/bin/bwrap --unshare-all --die-with-parent --new-session " +
		"--clearenv --setenv PATH /usr/bin --cap-drop ALL --uid 65534 --gid 65534 --ro-bind /usr /usr --proc /proc --dev /dev --tmpfs /tmp --symlink usr/lib /lib " +
		"--ro-bind /data/raw /in --bind /data/out /out /usr/bin/qemu-img convert -p -f raw -O vpc -o subformat=dynamic,force_size=on /in /out/disk.vhd"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.bwrap = ""
	got = strings.Join(s.argv(gate.QCOW2, "/data/raw", "/data/out", "disk.qcow2", l), " ")
	want = "/usr/bin/prlimit --as=2147483648 --cpu=10 --nofile=64 --core=0 --fsize=1000 /usr/bin/qemu-img convert -p -f raw -O qcow2 -c -o compression_type=zstd /data/raw /data/out/disk.qcow2"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A program in the sandbox sees neither files of this machine nor its network.
func TestSandboxHidesTheMachine(t *testing.T) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Skip("SKIPPED, nothing was proved: bubblewrap is not installed")
	}
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("sing"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) (string, error) {
		var said []string
		err := processes{}.Run(t.Context(), slices.Concat([]string{bwrap}, isolation, systemBinds(), argv), func(s string) { said = append(said, s) })
		return strings.Join(said, "\n"), err
	}
	if out, err := run("/usr/bin/cat", "/proc/self/status"); err != nil {
		t.Skipf("SKIPPED, nothing was proved: bubblewrap does not work here: %v", err)
	} else if !strings.Contains(out, "CapEff:\t0000000000000000") || !strings.Contains(out, "Uid:\t65534") {
		t.Errorf("rights: %s", out)
	}
	for _, path := range []string{canary, "/etc/passwd", "/root", "/work", "/var"} {
		if out, err := run("/usr/bin/ls", path); err == nil {
			t.Errorf("%s is seen: %s", path, out)
		}
	}
	if out, err := run("/usr/bin/cat", "/proc/net/dev"); err != nil || strings.Count(out, ":") != 1 || !strings.Contains(out, "lo:") {
		t.Errorf("network: %q %v", out, err)
	}
	if out, err := run("/usr/bin/touch", "/usr/bin/new"); err == nil {
		t.Errorf("the programs can be written: %s", out)
	}
}

func TestWarningWithoutSandbox(t *testing.T) {
	said := ""
	c := &Converter{Warn: func(s string) { said += s }, Find: func(p string) string {
		if p == "bwrap" {
			return ""
		}
		return "/usr/bin/" + p
	}}
	for range 2 {
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Count(said, "without a sandbox") != 1 || !strings.Contains(said, "bubblewrap is not installed") {
		t.Errorf("said %q", said)
	}
}
