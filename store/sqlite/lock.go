package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"slipway/fault"
)

// lockPatience is how long a lock may stay after its owner was killed: a child
// that was being forked at that moment holds it until it has become another
// program.
const lockPatience = time.Second

// flock takes the lock of f, or says EWOULDBLOCK when somebody keeps it.
func flock(f *os.File) error {
	late := time.NewTimer(lockPatience)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-late.C:
			return err
		case <-again.C:
		}
	}
}

// takeLock makes this process the owner of the data directory. The kernel lets
// go of the lock when the process ends, however it ends; the descriptor is not
// inherited by children (os opens with O_CLOEXEC).
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The data directory cannot be locked.")
	}
	if err := flock(f); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fault.Wrap(fault.Unavailable, err, "The data directory cannot be locked.")
		}
		text, _ := io.ReadAll(io.LimitReader(f, 20)) // best effort: the pid is for people
		pid := strings.TrimSpace(string(text))
		if pid == "" {
			pid = "unknown"
		}
		return nil, fault.New(fault.InUse, "The data directory is in use by process %s.", pid).
			WithHint("Stop it, or choose another data directory.")
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "The data directory cannot be locked."), f.Close())
	}
	return f, nil
}
