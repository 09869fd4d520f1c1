//go:build !cgo

// What belongs to each thread can be taken away from all of them only in a
// program without C, which is what ships.

package qemu

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/compute/guestnet"
)

// TestNetworkIsConfined asks the kernel what is left to the process.
func TestNetworkIsConfined(t *testing.T) {
	d, err := New(t.Context(), Options{Dir: shortDir(t), Accel: "tcg"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	_, f := standIn(t, d, "m-net")
	p := listening(t, d, "m-net", process{})
	// It counts what it reads, and reads once it is confined.
	c, err := net.Dial("unixgram", f.net())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), time.Millisecond, func() bool { return guestnet.Frames(f.frames()) == 1 }); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1"}
	for _, task := range tasks(t, p.PID) {
		for name, value := range want {
			if got := statusOf(t, task, name); got != value {
				t.Errorf("%s of %s: %s, want %s", name, task, got, value)
			}
		}
	}
	t.Logf("resident: %s", statusOf(t, fmt.Sprintf("/proc/%d", p.PID), "VmRSS"))
	if err := d.Destroy(t.Context(), "m-net"); err != nil {
		t.Fatal(err)
	}
}

func tasks(t *testing.T, pid int) []string {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(all) == 0 {
		t.Fatalf("threads: %v", err)
	}
	return all
}

// statusOf reads a line of /proc/…/status.
func statusOf(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
