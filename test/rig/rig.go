// Package rig runs the real program for tests: it builds slipway once, starts
// servers of it on directories of their own, waits until they answer, and sees
// to it that nothing of them is left. Only the standard library is used, since
// the modules of outside clients under test/ use these files too (by symlink:
// sharing a module would share the versions of the SDKs).
//
// What is asked of the server belongs in the tests, not here.
package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a running slipway and how to reach it.
type Server struct {
	Endpoint string
	DataDir  string
	Client   Client
	// Flags that every start of it gets; Listen is one of them.
	Flags []string
	// CommandEnv is added to the environment of every command of CLI.
	CommandEnv []string

	t    testing.TB
	env  []string
	logs string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how; to be read after done
}

// Client is the file that a server leaves for clients on its machine.
type Client struct {
	Endpoint        string `json:"endpoint"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Account         string `json:"account"`
}

const (
	startLimit = time.Minute
	stopLimit  = 45 * time.Second
)

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
	s.Again("127.0.0.1:0")
	return s
}

// Again starts the server on its directory and the given address. It must not
// be running.
func (s *Server) Again(listen string) {
	s.t.Helper()
	ready := filepath.Join(filepath.Dir(s.DataDir), "ready")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	log, err := os.OpenFile(s.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"serve", "--data-dir", s.DataDir, "--listen", listen, "--ready-file", ready}, s.Flags...)
	s.cmd = exec.Command(Bin(s.t), args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = append(Environ(), s.env...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		s.err = s.cmd.Wait()
	}()
	Until(s.t, startLimit, "the server answers", func() (bool, error) {
		select {
		case <-s.done:
			return false, fmt.Errorf("it ended: %w\n%s", s.err, s.Log())
		default:
		}
		b, err := os.ReadFile(ready)
		s.Endpoint = strings.TrimSpace(string(b))
		return err == nil, nil
	})
	b, err := os.ReadFile(filepath.Join(s.DataDir, "client.json"))
	if err == nil {
		err = json.Unmarshal(b, &s.Client)
	}
	if err != nil || s.Client.Endpoint != s.Endpoint {
		s.t.Fatalf("client.json: %v; %q, and the ready file says %q", err, s.Client.Endpoint, s.Endpoint)
	}
}

// Pid is the server's process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Stop ends the server as an operator would. It may be called twice.
func (s *Server) Stop() {
	s.t.Helper()
	if s.cmd == nil || s.cmd.Process == nil || s.ended() {
		return
	}
	s.signal(syscall.SIGTERM)
	select {
	case <-s.done:
		if s.err != nil {
			s.t.Errorf("the server stopped with %v", s.err)
		}
	case <-time.After(stopLimit):
		s.t.Errorf("the server did not stop within %s", stopLimit)
		s.Kill()
	}
}

// Kill ends the server with SIGKILL and waits until it is gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.done
}

func (s *Server) signal(sig os.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Error(err)
	}
}

func (s *Server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
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

// clean removes everything and complains about processes that were left.
func (s *Server) clean(dir string) {
	for _, p := range s.Processes() {
		s.t.Errorf("left running: process %d: %s", p.Pid, p.Command)
		if err := syscall.Kill(p.Pid, syscall.SIGKILL); err != nil {
			s.t.Log(err)
		}
	}
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", s.Log())
	}
	if err := os.RemoveAll(dir); err != nil {
		s.t.Error(err)
	}
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
