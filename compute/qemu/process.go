package qemu

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is the identity of a process for as long as the host runs and after:
// a pid alone is used again by others.
type process struct {
	PID   int
	Start uint64 // ticks after boot, field 22 of /proc/PID/stat
	Boot  string // the boot of the host this was in
}

// bootID changes with every boot of the host.
var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
})

// identify reads the identity of a process that runs now. A zombie does not.
func identify(pid int) (process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// The name is in parentheses and may hold anything, also parentheses.
	i := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 {
		return process{}, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	if f[0] == "Z" || f[0] == "X" {
		return process{}, os.ErrProcessDone
	}
	start, err := strconv.ParseUint(f[19], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return process{PID: pid, Start: start, Boot: bootID()}, nil
}

// alive tells whether exactly this process still runs.
func (p process) alive() bool {
	if p.PID <= 1 || p.Boot != bootID() {
		return false
	}
	now, err := identify(p.PID)
	return err == nil && now == p
}

// signal sends to exactly this process: os.FindProcess holds a pidfd, so the
// pid cannot change its owner between the look and the signal.
func (p process) signal(s syscall.Signal) {
	if p.PID <= 1 {
		return
	}
	h, err := os.FindProcess(p.PID)
	if err != nil {
		return
	}
	defer h.Release()
	if p.alive() {
		_ = h.Signal(s) // gone meanwhile: what was wanted
	}
}

// gone waits until the process has ended.
func (p process) gone(ctx context.Context) error {
	return wait(ctx, 10*time.Millisecond, func() bool { return !p.alive() })
}

// end terminates a process, politely for at most grace: QEMU flushes its disks
// on SIGTERM, which takes some tens of milliseconds.
func (p process) end(ctx context.Context, grace time.Duration) error {
	if !p.alive() {
		return nil
	}
	p.signal(syscall.SIGTERM)
	soft, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if p.gone(soft) == nil {
		return nil
	}
	p.signal(syscall.SIGKILL)
	return p.gone(ctx)
}

// rss is the memory that a process really has, in MiB.
func (p process) rss() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize()) >> 20
}

// marked finds the processes that carry the nonce in their environment. It is
// how a process is found that was started by someone who died before he could
// write its pid down.
func marked(nonce string) []process {
	if nonce == "" {
		return nil
	}
	want := []byte(environ + "=" + nonce + "\x00")
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	var out []process
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil || !bytes.Contains(b, want) {
			continue // another user's, or gone
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
		if id, err := identify(pid); err == nil {
			out = append(out, id)
		}
	}
	return out
}

// wait asks until the answer is yes or ctx ends.
func wait(ctx context.Context, every time.Duration, yes func() bool) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for !yes() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
