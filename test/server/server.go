// Package server runs the real binary as a process of its own, for programs that
// kill it, measure it and start it again (tests that only use it have test/rig).
//
// What lives here: building the binary, its life as a process, what the kernel
// says about it, and clients for what it serves. What may not: a judgement
// about the server's answers.
package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Build gives the path of the binary to test: SLIPWAY_BIN, or one built into
// dir now.
func Build(ctx context.Context, dir string) (string, error) {
	if b := os.Getenv("SLIPWAY_BIN"); b != "" {
		return filepath.Abs(b)
	}
	out := filepath.Join(dir, "slipway")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "slipway/cmd/slipway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, b)
	}
	return out, nil
}

// Options say how to start a server.
type Options struct {
	Bin     string
	DataDir string
	Listen  string    // "" picks a port
	Args    []string  // after "serve"
	Log     io.Writer // what it prints; nil for nowhere
}

// Server is a running server process.
type Server struct {
	Endpoint string
	Address  string        // host:port of Endpoint
	Ready    time.Duration // from the start of the process to its ready file
	Started  time.Time
	DataDir  string

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the process, once exited is closed
}

// patience is how long a server may take to answer, or to stop when asked to.
const patience = 60 * time.Second

// Start starts a server and waits until it answers.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, err
	}
	// Beside the data directory: nothing in there is ours.
	ready := o.DataDir + ".ready"
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args := append([]string{"serve", "--data-dir", o.DataDir, "--listen", o.Listen, "--ready-file", ready}, o.Args...)
	cmd := exec.Command(o.Bin, args...)
	var tail bytes.Buffer
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	if o.Log == nil {
		cmd.Stderr = &tail
	}
	// A death of ours must not leave a server behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	s := &Server{cmd: cmd, DataDir: o.DataDir, exited: make(chan struct{}), Started: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = cmd.Wait()
		close(s.exited)
	}()
	err := Poll(ctx, patience, time.Millisecond, func() (bool, error) {
		select {
		case <-s.exited:
			return false, fmt.Errorf("the server ended at once: %v %s", s.err, tail.String())
		default:
		}
		b, err := os.ReadFile(ready)
		if err != nil {
			return false, nil
		}
		s.Endpoint = strings.TrimSpace(string(b))
		s.Address = strings.TrimPrefix(s.Endpoint, "http://")
		return true, nil
	})
	if err != nil {
		s.Kill()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	s.Ready = time.Since(s.Started)
	return s, nil
}

// PID of the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the process as kill -9 does and waits until it is gone.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.exited
}

// Stop asks the process to end and waits until it has.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.exited:
		return s.err
	case <-time.After(patience):
		s.Kill()
		return errors.New("the server did not stop when asked to")
	}
}

// Exited is closed when the process is gone.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Resident is the memory of the process that is in RAM, in bytes, and how much
// of it belongs to no file.
func (s *Server) Resident() (total, anonymous int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			total = n << 10
		case "RssAnon:":
			anonymous = n << 10
		}
	}
	return total, anonymous, nil
}

// Poll calls f every so often until it says true, fails, or the time is up.
func Poll(ctx context.Context, limit, every time.Duration, f func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := f(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, ctx.Err())
		}
	}
}
