package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/compute"
)

func TestKernelTables(t *testing.T) {
	for text, want := range map[string]bool{
		"RAX=0\r\nIDT=     fffffe0000000000 00000fff\r\n": true,
		"IDT=     fffff8076b4a1000 00000fff\n":            true,
		"IDT=     000000001f07a018 00000fff\n":            false,
		"IDT=     1bb94ec8 0000010f\n":                    false,
		"IDT=     ffffffff 0000ffff\n":                    false, // 32 bits
		"":                                                false,
		"IDT=":                                            false,
	} {
		if got := kernelTables(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestMemAvailable(t *testing.T) {
	if got := memInfo("MemTotal: 9 kB\nMemAvailable:   24299584 kB\n", "MemAvailable"); got != 23730 {
		t.Error(got)
	}
	if got := memInfo("nothing", "MemAvailable"); got != 0 {
		t.Error(got)
	}
}

func TestIdentityIsMoreThanAPid(t *testing.T) {
	me, err := identify(os.Getpid())
	if err != nil || !me.alive() {
		t.Fatalf("%+v, %v", me, err)
	}
	older, elsewhere := me, me
	older.Start--
	elsewhere.Boot = "another boot"
	for _, p := range []process{older, elsewhere, {}, {PID: 1, Start: me.Start, Boot: me.Boot}} {
		if p.alive() {
			t.Errorf("%+v counts as alive", p)
		}
		if err := p.end(t.Context(), time.Second); err != nil { // must not end us
			t.Error(err)
		}
	}
}

func TestProcessesAreFoundByTheirMark(t *testing.T) {
	nonce := token(16)
	cmd := exec.Command("sleep", "600")
	cmd.Env = []string{environ + "=" + nonce}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	got := marked(nonce)
	if len(got) != 1 || got[0].PID != cmd.Process.Pid {
		t.Errorf("found %+v, want %d", got, cmd.Process.Pid)
	}
	if marked(nonce[:31]) != nil || marked("") != nil {
		t.Error("a part of the mark is enough")
	}
	for _, p := range append(got, process{}) {
		if err := p.end(t.Context(), 10*time.Second); err != nil {
			t.Error(err)
		}
	}
	<-ended
	if len(marked(nonce)) != 0 {
		t.Error("still there")
	}
}

func TestDestroyTouchesNoStranger(t *testing.T) {
	dir := t.TempDir()
	d, err := New(t.Context(), Options{Dir: dir, Accel: "tcg"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	me, _ := identify(os.Getpid())
	me.Start++ // our pid, as if it had been another's before
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.save(record{Version: recordVersion, ID: "a", Nonce: token(16), Complete: true, QEMU: me, TPM: me}); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Status(t.Context(), "a"); err != nil || st.State != compute.Gone {
		t.Errorf("%+v, %v", st, err)
	}
	if err := d.Destroy(t.Context(), "a"); err != nil { // we live on
		t.Error(err)
	}
}

func TestSocketDirectoryFits(t *testing.T) {
	if got := socketDir("/data/run/m"); got != "/data/run/m" {
		t.Errorf("a short directory is left: %s", got)
	}
	long := "/" + strings.Repeat("d", 105)
	got := socketDir(long)
	if n := len(files{socks: got}.netPeer()); got == long || n > maxSocket {
		t.Errorf("%s: %d bytes", got, n)
	}
	if got == socketDir(long) {
		t.Error("the short directory can be guessed")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := wait(ctx, time.Millisecond, func() bool { return false }); err == nil {
		t.Error("waited for ever")
	}
}

func TestSerialLogTurnsOver(t *testing.T) {
	dir := t.TempDir()
	d, err := New(t.Context(), Options{Dir: dir, Accel: "tcg"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := files{dir: filepath.Join(dir, "a"), socks: filepath.Join(dir, "a")}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.serial(), []byte(strings.Repeat("x", serialKeep)+"old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := d.SerialLog(t.Context(), "a", 5); err != nil || string(got) != "xxold" {
		t.Errorf("%q, %v", got, err)
	}
	if st, err := os.Stat(f.serial()); err != nil || st.Size() != 0 {
		t.Errorf("the log has not been turned over: %v, %v", st, err)
	}
	if err := os.WriteFile(f.serial(), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := d.SerialLog(t.Context(), "a", 5); err != nil || string(got) != "ldnew" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestReport(t *testing.T) {
	r := Report{Checks: []Check{{Name: CheckKVM}, {Name: CheckQEMU, Needed: true, OK: true}}}
	if !r.OK() || !strings.Contains(r.Warning(), "emulation") {
		t.Errorf("without KVM: %v %q", r.OK(), r.Warning())
	}
	r.Checks[1].OK, r.Apt = false, install("qemu-system-x86")
	if r.OK() || !strings.Contains(r.Warning(), "apt-get install qemu-system-x86") {
		t.Errorf("without QEMU: %v %q", r.OK(), r.Warning())
	}
	if w := (Report{Checks: []Check{{Name: CheckKVM, OK: true}}}).Warning(); w != "" {
		t.Errorf("all is well: %q", w)
	}
}

func TestForMachines(t *testing.T) {
	for total, want := range map[int64]int64{0: 0, 400: 1, 2048: 1536, 65536: 57344} {
		if got := forMachines(total); got != want {
			t.Errorf("of %d MiB: %d, want %d", total, got, want)
		}
	}
}

// TestVariablesAreKept: what a guest wrote into its firmware variables is there
// at the next start when the caller keeps them, and only then.
func TestVariablesAreKept(t *testing.T) {
	dir := t.TempDir()
	template := filepath.Join(dir, "template")
	if err := os.WriteFile(template, []byte("fresh"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Driver{paths: Paths{Vars: template}}
	for _, kept := range []bool{false, true} {
		state := ""
		if kept {
			state = t.TempDir()
		}
		var got []byte
		for range 2 {
			run := t.TempDir()
			f := files{dir: run, socks: run, state: state}
			if err := d.prepare(f); err != nil {
				t.Fatal(err)
			}
			got, _ = os.ReadFile(f.vars())
			if err := os.WriteFile(f.vars(), []byte("changed"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want := map[bool]string{false: "fresh", true: "changed"}[kept]; string(got) != want {
			t.Errorf("kept %v: the second start found %q", kept, got)
		}
	}
}
