package disk

import (
	"runtime"
	"syscall"
)

// Gentle makes the calling goroutine give way to everybody else, until it ends:
// its reads wait for all others, and its computing for all other processes. It
// keeps a thread of its own. What the kernel refuses is left out.
func Gentle() {
	const (
		ioprioProcess = 1       // IOPRIO_WHO_PROCESS
		ioprioIdle    = 3 << 13 // IOPRIO_CLASS_IDLE
		lowest        = 19
	)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	_, _, _ = syscall.Syscall(syscall.SYS_IOPRIO_SET, ioprioProcess, 0, ioprioIdle)
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), lowest)
}
