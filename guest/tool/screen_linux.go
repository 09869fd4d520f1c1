package tool

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"slipway/guest"
)

// xrandrTime is how long the display server may take for one answer.
const xrandrTime = 10 * time.Second

// outlived is how long is waited for what a program that has ended has begun, and
// left its output to.
const outlived = time.Second

// resize asks the X server, by xrandr(1) of the guest itself, for a mode of that
// size, which is made when the screen does not offer it.
func (s *seat) resize(want guest.Size) error {
	x := slices.ContainsFunc(s.env, func(kv string) bool { return strings.HasPrefix(kv, "DISPLAY=:") })
	if s.console || !x {
		return keeps("there is no X screen")
	}
	const program = "/usr/bin/xrandr"
	if mode, err := s.mode(program); err != nil || !mode.IsRegular() {
		return keeps("the guest has no " + program)
	}
	run := func(args ...string) (string, error) {
		ctx, done := context.WithTimeout(context.Background(), xrandrTime)
		defer done()
		cmd := s.command(program, args, s.env)
		return output(ctx, cmd)
	}
	said, err := run("--query")
	if err != nil {
		return keeps("the X server does not tell its screens: " + err.Error())
	}
	output, modes, now := screenOf(said)
	name := fmt.Sprintf("%dx%d", want.Width, want.Height)
	switch {
	case output == "":
		return keeps("no screen is connected")
	case now == name:
		return nil
	}
	if !slices.Contains(modes, name) {
		// Both may have been done already, for a screen that forgot; what matters is
		// whether the mode can be set.
		_, _ = run(append([]string{"--newmode", name}, reducedBlanking(want).args()...)...)
		_, _ = run("--addmode", output, name)
	}
	if _, err := run("--output", output, "--mode", name); err != nil {
		return keeps("the X server refuses " + name + ": " + err.Error())
	}
	return nil
}

// output runs a command and returns what it prints; its error has its last words.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, bad strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &bad
	cmd.WaitDelay = outlived
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%w: %.200s", err, strings.TrimSpace(bad.String()))
	}
	return out.String(), nil
}

// screenOf reads what xrandr prints: the first connected output, the names of its
// modes and the one it shows.
func screenOf(said string) (output string, modes []string, now string) {
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		indented := strings.HasPrefix(line, " ")
		switch {
		case !indented && output != "":
			return output, modes, now
		case !indented && len(f) > 1 && f[1] == "connected":
			output = f[0]
		case indented && output != "" && len(f) > 0:
			modes = append(modes, f[0])
			if strings.Contains(line, "*") {
				now = f[0]
			}
		}
	}
	return output, modes, now
}
