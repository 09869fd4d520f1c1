// Package rig runs the real program: it builds slipway once, starts servers of
// it on directories of their own, waits until they answer, and sees to it that
// nothing of them is left. Server is for tests; Daemon, below it, for programs
// that measure servers and kill them.
//
// Clients of what a server serves are in rig/clients. What is asked of the server belongs in the tests, not here.
package rig

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"slipway/work/layout"
)

// Server is a server of one test.
type Server struct {
	*Daemon        // the process that runs now, or ran last
	DataDir string // stays what it is
	// Flags that every start of it gets, besides where it listens.
	Flags []string
	// CommandEnv is added to the environment of every command of CLI.
	CommandEnv []string

	t    testing.TB
	env  []string
	logs string
}

// Start runs a server on a new data directory until the test ends; flags are
// added to those of every server. A test that fails shows the end of its log.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	return StartEnv(t, nil, flags...)
}

// StartEnv is Start with variables that the server's environment gets besides
// the test's own.
func StartEnv(t testing.TB, env []string, flags ...string) *Server {
	t.Helper()
	// Not t.TempDir: names of tests are long, and paths of sockets must not be.
	dir, err := os.MkdirTemp("", "slipway-rig-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, DataDir: filepath.Join(dir, "data"), Flags: flags, env: env, logs: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		s.Stop()
		s.clean(dir)
	})
	s.Again("")
	return s
}

// Again starts the server on its directory and the given address. It must not
// be running.
func (s *Server) Again(listen string) {
	s.t.Helper()
	log, err := os.OpenFile(s.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	d, err := Launch(context.Background(), Options{Bin: Bin(s.t), DataDir: s.DataDir, Listen: listen, Args: s.Flags, Env: s.env, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Daemon = d
}

// Stop ends the server as an operator would. It may be called twice.
func (s *Server) Stop() {
	s.t.Helper()
	if s.Daemon == nil {
		return
	}
	if err := s.Daemon.Stop(); err != nil {
		s.t.Errorf("stopping the server: %v", err)
	}
}

// Log is the end of what the server has logged.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.logs)
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	if len(b) > most {
		b = append([]byte("…"), b[len(b)-most:]...)
	}
	return string(b)
}

// clean removes everything and complains about processes that were left, and
// about files that nobody has declared.
func (s *Server) clean(dir string) {
	for _, p := range s.Processes() {
		s.t.Errorf("left running: process %d: %s", p.Pid, p.Command)
		if err := syscall.Kill(p.Pid, syscall.SIGKILL); err != nil {
			s.t.Log(err)
		}
	}
	if odd, err := layout.Strangers(s.DataDir); err != nil || len(odd) > 0 {
		s.t.Errorf("in the data directory, and not in work/layout: %q, %v", odd, err)
	}
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", s.Log())
	}
	if err := os.RemoveAll(dir); err != nil {
		s.t.Error(err)
	}
}

// Processes lists the processes besides the server that work on its data
// directory: machines, their TPMs, inspections.
func (s *Server) Processes() []Process {
	all := Processes(s.DataDir)
	if s.Daemon == nil {
		return all
	}
	return slices.DeleteFunc(all, func(p Process) bool { return p.Pid == s.Pid() })
}

// CLI runs a slipway command against this server and returns what it prints.
func (s *Server) CLI(args ...string) (stdout, stderr string, err error) {
	return s.CLIContext(context.Background(), args...)
}

// CLIContext is CLI that is killed when ctx ends.
func (s *Server) CLIContext(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, Bin(s.t), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(Environ(), "SLIPWAY_DATA="+s.DataDir, "XDG_STATE_HOME="+filepath.Join(filepath.Dir(s.DataDir), "state"))
	cmd.Env = append(cmd.Env, s.CommandEnv...)
	err = cmd.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), err
}

// Must is CLI for commands that have to work; it returns their output.
func (s *Server) Must(args ...string) string {
	s.t.Helper()
	out, errs, err := s.CLI(args...)
	if err != nil {
		s.t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, errs)
	}
	return out
}

// Environ is the environment without what would lead clients or the server
// elsewhere.
func Environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "SLIPWAY_") && !strings.HasPrefix(kv, "XDG_STATE_HOME=") {
			env = append(env, kv)
		}
	}
	return env
}

// Root is the folder of the repository.
var Root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if b, e := os.ReadFile(filepath.Join(dir, "go.mod")); e == nil && bytes.HasPrefix(b, []byte("module slipway\n")) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	panic("rig: not inside the repository")
})
