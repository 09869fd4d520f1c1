// Package script runs the program as people do at a shell, where the outcome
// depends on more than one process: servers that are killed under their
// clients, clients that are killed, a shell that reads what env prints. What one
// command does by itself is tested beside it (cmd/slipway).
package script

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

const limit = 2 * time.Minute

// noise makes a disk of 1 GiB with so many MiB of data, scattered: each lies in
// three blocks.
func noise(t *testing.T, mib int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "noise.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, buf := rand.NewChaCha8([32]byte{1}), make([]byte, 1<<20)
	for i := range mib {
		if _, err := r.Read(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(buf, int64(i)*3<<20+4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	return path
}

// command is a slipway command that runs beside the test.
type command struct {
	done     chan struct{}
	out, err string
	failed   error
}

func begin(ctx context.Context, s *rig.Server, args ...string) *command {
	c := &command{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.out, c.err, c.failed = s.CLIContext(ctx, args...)
	}()
	return c
}

func (c *command) wait(t *testing.T) string {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(limit):
		t.Fatal("the command does not end")
	}
	if c.failed != nil {
		t.Fatalf("%v\n%s", c.failed, c.err)
	}
	return c.out
}

// TestServerDiesUnderTransfers: a push and a pull go on when the server comes
// back, and what arrives is what was sent.
func TestServerDiesUnderTransfers(t *testing.T) {
	s := rig.Start(t, "--compute", "fake")
	v := s.Valve()
	disk, out := noise(t, 24), filepath.Join(t.TempDir(), "out.raw")

	v.ShutAfter(12 << 20)
	push := begin(t.Context(), s, "ami", "push", disk, "--name", "noise", "--parallel", "2")
	dieUnder(t, s, v)
	ami := push.wait(t)
	if !strings.Contains(push.err, "again") {
		t.Errorf("the push said nothing of the server's absence:\n%s", push.err)
	}

	v.ShutAfter(12 << 20)
	pull := begin(t.Context(), s, "ami", "pull", ami, out, "--parallel", "2")
	dieUnder(t, s, v)
	pull.wait(t)
	if err := rig.SameDisk(disk, out); err != nil {
		t.Error(err)
	}
	if left := s.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// dieUnder kills the server while what a command says to it is held halfway,
// and has another one go on.
func dieUnder(t *testing.T, s *rig.Server, v *rig.Valve) {
	t.Helper()
	v.UntilShut(t)
	s.Kill()
	v.Open()
	s.Again(strings.TrimPrefix(s.Endpoint, "http://"))
}

// TestClientDies: a push that was killed is given again, sends the rest and
// makes one machine image.
func TestClientDies(t *testing.T) {
	s := rig.Start(t, "--compute", "fake")
	v := s.Valve()
	disk := noise(t, 24)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	v.ShutAfter(12 << 20)
	first := begin(ctx, s, "ami", "push", disk, "--name", "noise", "--parallel", "2")
	v.UntilShut(t)
	// What it has done is written down every now and then, at first with nothing.
	rig.Until(t, limit, "the push has written down what it has done", func() (bool, error) {
		return strings.Trim(noted(t, s), `"A=`) != "", nil // base64 of other bits than zeros
	})
	kill()
	<-first.done
	v.Open()
	var r struct {
		AMI       string `json:"ami"`
		SentBytes int64  `json:"sent_bytes"`
	}
	decode(t, s.Must("ami", "push", disk, "--name", "noise", "--json"), &r)
	if all := int64(72) * 512 << 10; r.SentBytes >= all || r.SentBytes <= all/2 {
		t.Errorf("the second push sent %d bytes of %d", r.SentBytes, all)
	}
	if again := s.Must("ami", "push", disk, "--name", "noise"); again != r.AMI {
		t.Errorf("pushed a third time it is %s, not %s", again, r.AMI)
	}
	var l struct{ AMIs []any }
	decode(t, s.Must("ami", "ls", "--json"), &l)
	if len(l.AMIs) != 1 {
		t.Errorf("%d machine images", len(l.AMIs))
	}
	out := filepath.Join(t.TempDir(), "out.raw")
	s.Must("ami", "pull", r.AMI, out)
	if err := rig.SameDisk(disk, out); err != nil {
		t.Error(err)
	}
}

// noted is the list of blocks that a push has written down as sent.
func noted(t *testing.T, s *rig.Server) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(s.DataDir), "state", "slipway", "push", "*.json"))
	if err != nil || len(files) == 0 {
		return ""
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var st struct{ Done json.RawMessage }
	decode(t, string(b), &st)
	return string(st.Done)
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
}

// TestEnvInAShell: after eval, plain commands find the server, whatever was set
// before.
func TestEnvInAShell(t *testing.T) {
	s := rig.Start(t, "--compute", "fake")
	cmd := exec.Command("sh", "-euc", `eval "$("$0" env --data-dir "$1")"; "$0" ami ls; "$0" ps`, rig.Bin(t), s.DataDir)
	cmd.Env = append(rig.Environ(), "AWS_PROFILE=nobody", "AWS_SESSION_TOKEN=old", "AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL=http://127.0.0.1:1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no machine images at "+s.Endpoint) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOneServerPerDirectory: the second is told why, and the first goes on.
func TestOneServerPerDirectory(t *testing.T) {
	s := rig.Start(t, "--compute", "fake")
	for _, listen := range []string{"127.0.0.1:0", strings.TrimPrefix(s.Endpoint, "http://")} {
		if out, errs, err := s.CLI("serve", "--data-dir", s.DataDir, "--listen", listen, "--compute", "fake"); err == nil || !strings.Contains(errs, "slipway: The data directory is in use by process") {
			t.Errorf("a second server on %s: %v\n%s\n%s", listen, err, out, errs)
		}
	}
	other := t.TempDir()
	if _, errs, err := s.CLI("serve", "--data-dir", other, "--listen", strings.TrimPrefix(s.Endpoint, "http://"), "--compute", "fake"); err == nil || !strings.Contains(errs, "listens on") {
		t.Errorf("a second server on the same port: %v\n%s", err, errs)
	}
	s.Must("ami", "ls")
}

// TestRestartKeepsTheKey: a stopped server comes back with the same account and
// key, so environments that were printed before still work.
func TestRestartKeepsTheKey(t *testing.T) {
	s := rig.Start(t, "--compute", "fake", "--account", "210987654321")
	before := s.Client
	s.Stop()
	if _, errs, err := s.CLI("ps"); err == nil || !strings.Contains(errs, "nothing answers at "+before.Endpoint) {
		t.Errorf("ps without a server: %v %s", err, errs)
	}
	s.Again(strings.TrimPrefix(before.Endpoint, "http://"))
	if s.Client != before || before.Account != "210987654321" {
		t.Errorf("client.json was %+v and is %+v", before, s.Client)
	}
}

// TestWithoutQEMU: one sentence at the start, and everything that needs no
// machine works.
func TestWithoutQEMU(t *testing.T) {
	s := rig.StartEnv(t, []string{"PATH=/nowhere"}, "--import-rules", "open")
	if log := s.Log(); !strings.Contains(log, "machines cannot be started here") || !strings.Contains(log, "slipway doctor") {
		t.Errorf("the log does not say what is missing:\n%s", log)
	}
	s.Must("ami", "push", rig.Fixture(t, "debian12"), "--name", "debian")
	var m adminapi.Machines
	decode(t, s.Must("ps", "--json"), &m)
	if len(m.Machines) != 0 {
		t.Errorf("machines: %+v", m.Machines)
	}
}
