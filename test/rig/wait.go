package rig

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Until asks until the answer is yes, and ends the test on an error or after
// the limit.
func Until(t testing.TB, limit time.Duration, what string, yes func() (bool, error)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		ok, err := yes()
		switch {
		case err != nil:
			t.Fatalf("waiting until %s: %v", what, err)
		case ok:
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited %s until %s", limit, what)
		}
	}
}

// Process is one of the host's processes.
type Process struct {
	Pid     int
	Command string
}

// Processes lists the processes besides the server that work on its data
// directory: machines, their TPMs, inspections.
func (s *Server) Processes() []Process {
	var out []Process
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil || !bytes.Contains(b, []byte(s.DataDir)) {
			continue // gone meanwhile, or not ours
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(p)))
		if err != nil || pid == os.Getpid() || s.cmd != nil && s.cmd.Process != nil && pid == s.Pid() {
			continue
		}
		out = append(out, Process{pid, string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))})
	}
	return out
}

// Leftovers lists what machines and transfers have left in the data directory:
// everything but directories in the places where work leaves its files.
func (s *Server) Leftovers() []string {
	var out []string
	for _, dir := range []string{"run", "builders", "disks/overlays", "disks/uploads"} {
		err := filepath.WalkDir(filepath.Join(s.DataDir, dir), func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && !d.IsDir() {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
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
