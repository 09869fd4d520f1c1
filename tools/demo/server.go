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
	"syscall"
	"time"
)

// server is the slipway process the demo started.
type server struct {
	cmd      *exec.Cmd
	endpoint string
	ended    chan struct{} // closed when the process is gone
}

// logLines is how much of the server's log is shown when something fails.
const logLines = 40

func (d *demo) logPath() string { return filepath.Join(d.dir, "server.log") }

// start runs the server until its ready file tells where it answers.
func (d *demo) start(ctx context.Context) error {
	return d.do("Start the server", func() (string, error) {
		log, err := os.Create(d.logPath())
		if err != nil {
			return "", err
		}
		defer log.Close()
		ready := filepath.Join(d.dir, "ready")
		cmd := exec.Command(d.binary, "serve", "--data-dir", d.data, "--listen", "127.0.0.1:0", "--ready-file", ready, "--import-rules", "open")
		cmd.Stdout, cmd.Stderr = log, log
		// Not in our process group: with --keep it outlives us, and Ctrl-C
		// must let us stop it in order.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		d.server = &server{cmd: cmd, ended: make(chan struct{})}
		go func() { cmd.Wait(); close(d.server.ended) }()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if b, err := os.ReadFile(ready); err == nil && len(b) > 0 {
				d.server.endpoint = strings.TrimSpace(string(b))
				return d.server.endpoint, nil
			}
			select {
			case <-tick.C:
			case <-d.server.ended:
				return "", errors.New("the server ended before it answered")
			case <-time.After(30 * time.Second):
				return "", errors.New("the server did not answer within 30 s")
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
	})
}

// stop ends the server in order, by force when it takes too long.
func (d *demo) stop() {
	if d.server == nil {
		return
	}
	d.server.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.server.ended:
	case <-time.After(30 * time.Second):
		d.server.cmd.Process.Kill()
		<-d.server.ended
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
