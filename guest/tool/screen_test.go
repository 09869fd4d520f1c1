//go:build linux

package tool

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/guest"
)

// TestScreens reads what xrandr says of screens.
func TestScreens(t *testing.T) {
	const said = `Screen 0: minimum 320 x 200, current 1280 x 800, maximum 8192 x 8192
None-1 disconnected (normal left inverted right x axis y axis)
Virtual-1 connected primary 1280x800+0+0 (normal left inverted right x axis y axis) 338mm x 211mm
   1280x800      60.00*+
   1920x1080     60.00
   1024x768      60.00
VGA-2 connected (normal left inverted right x axis y axis)
   640x480       60.00
`
	output, modes, now := screenOf(said)
	if output != "Virtual-1" || now != "1280x800" || !slices.Equal(modes, []string{"1280x800", "1920x1080", "1024x768"}) {
		t.Errorf("%s %v %s", output, modes, now)
	}
	if output, modes, now = screenOf("Screen 0: minimum 320 x 200\nA disconnected\n"); output != "" || modes != nil || now != "" {
		t.Errorf("of nothing: %s %v %s", output, modes, now)
	}
}

// TestScreensThatStay: who has no X screen says so, and nothing is tried.
func TestScreensThatStay(t *testing.T) {
	at, s := signedIn(t)
	for name, change := range map[string]func(){
		"no display":      func() {},
		"a far display":   func() { s.env = append(s.env, "DISPLAY=elsewhere:0") },
		"a console":       func() { s.env, s.console = append(s.env, "DISPLAY=:0"), true },
		"no such program": func() { s.env, s.root = append(s.env, "DISPLAY=:0"), t.TempDir() },
	} {
		old := *s
		change()
		if got := problemOf(t, at, guest.OrderScreen, guest.Size{Width: 1000, Height: 700}); got != guest.ProblemScreen {
			t.Errorf("%s: %q", name, got)
		}
		*s = old
	}
}

// TestOutputIsNotWaitedForLong: a program may leave something behind that goes on.
func TestOutputIsNotWaitedForLong(t *testing.T) {
	began := filepath.Join(t.TempDir(), "pid")
	done := make(chan error, 1)
	go func() {
		_, err := output(t.Context(), exec.Command("/bin/sh", "-c", "sleep 300 & echo $! > "+began))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("nothing was left")
		}
	case <-time.After(30 * time.Second):
		t.Error("it is waited for")
	}
	b, err := os.ReadFile(began)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestSizesOfScreens: what no screen can have becomes what one can.
func TestSizesOfScreens(t *testing.T) {
	for in, want := range map[guest.Size]guest.Size{
		{Width: 1283, Height: 721}: {Width: 1280, Height: 720}, {Width: 0, Height: -5}: guest.SmallestScreen,
		{Width: 1 << 20, Height: 1 << 20}: guest.LargestScreen,
	} {
		if got := in.Screen(); got != want {
			t.Errorf("%v: %v, want %v", in, got, want)
		}
	}
}
