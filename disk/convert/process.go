package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Runner runs a program to its end.
type Runner interface {
	// Run calls line with each line, or overwritten line, of the program's
	// output. When ctx ends, the program and what it started are killed before
	// Run returns. Errors: *ExitError, ctx's, or that it could not be started.
	Run(ctx context.Context, argv []string, line func(string)) error
}

// ExitError is a program that failed.
type ExitError struct {
	Program string
	Code    int    // -1 when a signal ended it
	Signal  string // "" when it ended by itself
	Stderr  string // its last words
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("ended with %d", e.Code)
	if e.Signal != "" {
		how = "was ended by " + e.Signal
	}
	return fmt.Sprintf("%s %s: %s", e.Program, how, strings.TrimSpace(e.Stderr))
}

func (c *Converter) runner() Runner {
	if c.Run == nil {
		return processes{}
	}
	return c.Run
}

// processes runs programs on this machine, each in a group of its own.
type processes struct{}

func (processes) Run(ctx context.Context, argv []string, line func(string)) error {
	said := &tail{max: 16 << 10}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &lines{each: line}, said
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e := &ExitError{Program: argv[0], Code: exit.ExitCode(), Stderr: said.String()}
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal().String()
		}
		return e
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	buf bytes.Buffer
	max int
}

func (t *tail) Write(b []byte) (int, error) {
	t.buf.Write(b)
	if over := t.buf.Len() - t.max; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.ToValidUTF8(t.buf.String(), "?") }

// lines cuts output at line feeds and at carriage returns, with which progress
// is overwritten.
type lines struct {
	each func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		i := bytes.IndexAny(l.rest, "\r\n")
		if i < 0 {
			break
		}
		if i > 0 {
			l.each(string(l.rest[:i]))
		}
		l.rest = l.rest[i+1:]
	}
	if len(l.rest) > 4096 { // no program of ours says that
		l.rest = nil
	}
	return len(b), nil
}

// allocated is what a file takes on the disk.
func allocated(st fs.FileInfo) int64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return st.Size()
}
