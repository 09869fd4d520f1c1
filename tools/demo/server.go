package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway/test/rig"
)

// logLines is how much of the server's log is shown when something fails.
const logLines = 40

func (d *demo) logPath() string { return filepath.Join(d.dir, "server.log") }

// start runs the server until it answers.
func (d *demo) start(ctx context.Context) error {
	return d.do("Start the server", func() (string, error) {
		log, err := os.Create(d.logPath())
		if err != nil {
			return "", err
		}
		defer log.Close()
		// With --keep it outlives us, and Ctrl-C must let us stop it in order.
		d.server, err = rig.Launch(ctx, rig.Options{Bin: d.binary, DataDir: d.data, Args: []string{"--import-rules", "open"}, Log: log, Apart: true})
		if err != nil {
			return "", err
		}
		return d.server.Endpoint, nil
	})
}

// stop ends the server in order, by force when it takes too long.
func (d *demo) stop() {
	if d.server == nil {
		return
	}
	if err := d.server.Stop(); err != nil {
		fmt.Fprintf(d.err, "Stopping the server: %v\n", err)
	}
}

// failed adds the end of the server's log to what went wrong.
func (d *demo) failed(err error) error {
	d.stop()
	b, _ := os.ReadFile(d.logPath())
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) > logLines {
		lines = lines[len(lines)-logLines:]
	}
	fmt.Fprintf(d.err, "\nThe end of the server's log (%s):\n  %s\n", d.logPath(), strings.Join(lines, "\n  "))
	return fmt.Errorf("%w\nEverything is kept in %s", err, d.dir)
}

// slipway runs a client command with its progress on the screen and decodes
// what it prints.
func (d *demo) slipway(ctx context.Context, out any, args ...string) error {
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--data-dir", d.data)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdout, cmd.Stderr = &stdout, d.err
	// Uploads of a demo are nothing to remember in the user's home.
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(d.dir, "state"))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("slipway %s: %w", strings.Join(args, " "), err)
	}
	if out == nil {
		return nil
	}
	dec := json.NewDecoder(&stdout)
	if err := dec.Decode(out); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("slipway %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
