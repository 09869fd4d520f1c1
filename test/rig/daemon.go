package rig

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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options say how to launch a server.
type Options struct {
	Bin     string
	DataDir string
	Listen  string    // "" picks a port
	Args    []string  // after "serve"
	Env     []string  // besides Environ
	Log     io.Writer // what it prints; nil for nowhere
	Apart   bool      // not in our process group: a Ctrl-C is for us alone
}

// Daemon is a server's process, also for programs that are no tests: they kill
// it, measure it and launch it again.
type Daemon struct {
	Endpoint string
	Address  string // host:port of Endpoint
	DataDir  string
	Client   Client
	Started  time.Time
	Ready    time.Duration // from the start of the process to its ready file

	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of the process, once exited is closed
}

// Client is the file that a server leaves for clients on its machine.
type Client struct {
	Endpoint        string `json:"endpoint"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Account         string `json:"account"`
}

// patience is how long a server may take to answer, or to stop when asked to.
const patience = time.Minute

// Launch starts a server and waits until it answers. One that ends, or has not
// answered when ctx does, is an error, and gone.
func Launch(ctx context.Context, o Options) (*Daemon, error) {
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
	d := &Daemon{DataDir: o.DataDir, exited: make(chan struct{}), Started: time.Now()}
	d.cmd = exec.Command(o.Bin, append([]string{"serve", "--data-dir", o.DataDir, "--listen", o.Listen, "--ready-file", ready}, o.Args...)...)
	d.cmd.Env = append(Environ(), o.Env...)
	var tail bytes.Buffer
	d.cmd.Stdout, d.cmd.Stderr = o.Log, o.Log
	if o.Log == nil {
		d.cmd.Stderr = &tail
	}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: o.Apart}
	d.cmd.WaitDelay = time.Second
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.exited)
	}()
	err := Poll(ctx, patience, time.Millisecond, func() (bool, error) {
		if d.gone() {
			return false, fmt.Errorf("it ended at once: %v %s", d.err, tail.String())
		}
		b, err := os.ReadFile(ready)
		d.Endpoint = strings.TrimSpace(string(b))
		d.Address = strings.TrimPrefix(d.Endpoint, "http://")
		return err == nil, nil
	})
	d.Ready = time.Since(d.Started)
	if err == nil {
		err = d.readClient()
	}
	if err != nil {
		d.Kill()
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	return d, nil
}

func (d *Daemon) readClient() error {
	b, err := os.ReadFile(filepath.Join(d.DataDir, "client.json"))
	if err == nil {
		err = json.Unmarshal(b, &d.Client)
	}
	if err == nil && d.Client.Endpoint != d.Endpoint {
		err = fmt.Errorf("client.json says %q, and the ready file %q", d.Client.Endpoint, d.Endpoint)
	}
	return err
}

// Pid is the server's process.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Kill ends the process as kill -9 does and waits until it is gone.
func (d *Daemon) Kill() {
	_ = d.cmd.Process.Kill() // it may have ended by itself
	<-d.exited
}

// Stop asks the process to end, as an operator would, and waits until it has.
// One that is gone has stopped.
func (d *Daemon) Stop() error {
	if d.gone() {
		return nil
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.exited:
		return d.err
	case <-time.After(patience):
		d.Kill()
		return fmt.Errorf("the server did not stop within %s of being asked to", patience)
	}
}

func (d *Daemon) gone() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// CPU is the processor time that a process has taken so far, in steps of 10 ms.
func CPU(pid int) (time.Duration, error) {
	stat := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(stat)
	if err != nil {
		return 0, err
	}
	// The second field is the program's name, which may contain anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("%s is %q", stat, b)
	}
	user, e1 := strconv.Atoi(f[11])
	system, e2 := strconv.Atoi(f[12])
	const tick = time.Second / 100 // USER_HZ (proc(5))
	return time.Duration(user+system) * tick, errors.Join(e1, e2)
}

// Resident is the memory of the process that is in RAM, in bytes, and how much
// of it belongs to no file.
func (d *Daemon) Resident() (total, anonymous int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
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
