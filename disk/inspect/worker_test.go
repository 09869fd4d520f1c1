package inspect

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"slipway/disk/fixture"
	"slipway/fault"
)

// badCommand is a worker that goes wrong, on a disk that is sound.
func badCommand(t *testing.T, how string) (run func() error, parent func() io.Closer, wait func() error) {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.Open(fixtureDisk(t, fixture.Debian12, fixture.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	cmd := command(t.Context(), self, modeFull, formatRaw, disk)
	cmd.Args[0], cmd.Args[1] = "bad-worker-"+how, "x"
	run = func() error { _, err := answer(t.Context(), t.Context(), cmd); return err }
	parent = func() io.Closer {
		p, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return run, parent, cmd.Wait
}

// A worker that somebody killed says nothing about the disk: the caller may
// look again.
func TestAKilledWorkerCondemnsNoDisk(t *testing.T) {
	run, _, _ := badCommand(t, "killed")
	if err := run(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the error is %v", err)
	}
}

func TestAWorkerEndsWithItsParent(t *testing.T) {
	_, parent, wait := badCommand(t, "orphan")
	p := parent()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err == nil {
		t.Error("it ended as if it had an answer")
	}
}
