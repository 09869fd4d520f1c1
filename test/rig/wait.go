package rig

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/work/layout"
)

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

// Until asks until the answer is yes, and ends the test on an error or after
// the limit.
func Until(t testing.TB, limit time.Duration, what string, yes func() (bool, error)) {
	t.Helper()
	if err := Poll(context.Background(), limit, 20*time.Millisecond, yes); err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// Process is one of the host's processes.
type Process struct {
	Pid     int
	Command string // its words, with blanks between them
}

// Processes lists the processes besides ours that have to do with a directory:
// their command lines name it, or they have a file below it open.
func Processes(dir string) (out []Process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(p))
		if pid == os.Getpid() {
			continue
		}
		command := Command(pid)
		is := strings.Contains(command, dir)
		fds, _ := os.ReadDir(filepath.Join(p, "fd")) // it may be gone
		for _, fd := range fds {
			to, _ := os.Readlink(filepath.Join(p, "fd", fd.Name()))
			is = is || strings.HasPrefix(to, dir+"/")
		}
		if is {
			out = append(out, Process{pid, command})
		}
	}
	return out
}

// Command is the command line of a process with blanks between its words, ""
// when it is gone.
func Command(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
}

// Leftovers lists what machines, uploads and transfers have left in the data
// directory.
func (s *Server) Leftovers() []string {
	out, err := layout.Passing(s.DataDir)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// SameDisk tells where two files differ first, the holes of either read as
// zeros; an error for files that cannot be read or differ in size.
func SameDisk(a, b string) error {
	fa, err := os.Open(a)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return err
	}
	defer fb.Close()
	bufA, bufB := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); ; {
		na, errA := io.ReadFull(fa, bufA)
		nb, errB := io.ReadFull(fb, bufB)
		if na != nb || !bytes.Equal(bufA[:na], bufB[:nb]) {
			return fmt.Errorf("%s and %s differ after byte %d", a, b, off)
		}
		if errA != nil || errB != nil {
			if errA == io.EOF || errA == io.ErrUnexpectedEOF {
				return nil
			}
			return fmt.Errorf("compare %s with %s: %w", a, b, errA)
		}
		off += int64(na)
	}
}
