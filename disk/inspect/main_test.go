package inspect

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the worker, as cmd/slipway does it. Modes
// that no caller uses stand for what a hostile disk does to a library.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Arg {
		// Not os.Exit: under the race detector that sleeps for a second.
		syscall.Exit(WorkerMain(os.Args[2:], os.Stdout))
	}
	if how, ok := strings.CutPrefix(os.Args[0], "bad-worker-"); ok {
		syscall.Exit(badWorker(how))
	}
	code := m.Run()
	os.RemoveAll(made.dir)
	os.Exit(code)
}

func badWorker(how string) int {
	if err := confine(); err != nil {
		return 9
	}
	switch how {
	case "stack":
		var down func(int) int
		down = func(n int) int { return down(n+1) + 1 }
		return down(0)
	case "memory":
		var hold [][]byte
		for {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hold = append(hold, b)
			if len(hold) > 1000 {
				return 0
			}
		}
	case "hang":
		r, w, err := os.Pipe()
		if err != nil {
			return 9
		}
		_, _ = r.Read(make([]byte, 1)) // nobody writes
		w.Close()
	case "spin":
		_ = syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: 1, Max: 1}) // 20 s are too long for a test
		for i := 0; ; i++ {
			if i < 0 {
				break
			}
		}
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "orphan":
		endWith(os.Stdin)
	case "silent":
		return 0
	case "chatty":
		for range 40 {
			os.Stdout.WriteString(strings.Repeat("x", 1<<16))
		}
	case "lines":
		os.Stdout.WriteString("{\"version\":2}\n{\"version\":2}\n")
	case "write":
		if f, err := os.Create(os.TempDir() + "/slipway-worker-wrote"); err == nil {
			f.WriteString("this must not work")
			f.Close()
		}
	}
	return 0
}
