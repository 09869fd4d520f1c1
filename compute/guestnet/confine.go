package guestnet

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
	"unsafe"
)

const (
	memorySoft = 96 << 20 // bytes; collected harder from here on
	files      = 1024     // both ends of what a guest may have at once, and more
)

// memoryHard is the most address space, in bytes; most of it is never touched.
// The race detector of tests wants more.
var memoryHard uint64 = 2 << 30

// confine takes from this process what it does not need, for good: new
// privileges, capabilities, files. Where the guest has no internet the kernel
// is told to make no TCP connection either. Limits must hold; what a kernel
// does not know (Landlock, before 5.13) is done without.
func confine(p plan) error {
	debug.SetMemoryLimit(memorySoft)
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{syscall.RLIMIT_AS, memoryHard}, {syscall.RLIMIT_CORE, 0}, {syscall.RLIMIT_NOFILE, files},
	} {
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
	}
	const prSetNoNewPrivs = 38 // prctl(2)
	if err := everyThread(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := landlock(p.Internet); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return dropCapabilities()
}

// everyThread makes a call in all threads: these things belong to threads. A
// program with C in it, which only tests are, cannot do so.
func everyThread(call, a, b, c uintptr) error {
	_, _, e := syscall.AllThreadsSyscall6(call, a, b, c, 0, 0, 0)
	if e != 0 && e != syscall.ENOTSUP {
		return e
	}
	return nil
}

// What capset(2) reads, version 3: a header, then three words for each half.
// Variables of the package, since they must not move meanwhile.
var (
	capHead = [2]uint32{0x20080522, 0}
	capNone [6]uint32
)

// dropCapabilities is for a server that runs as root: its guests' networks need
// no power at all.
func dropCapabilities() error {
	if err := everyThread(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&capHead)), uintptr(unsafe.Pointer(&capNone)), 0); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// Landlock, landlock(7): numbers of its calls and rights up to its version 5.
const (
	sysCreateRuleset = 444
	sysRestrictSelf  = 446
	askVersion       = 1
	netTCP           = 1<<0 | 1<<1 // bind, connect
)

// rights of files by version: all that this version knows, and none is given.
var fileRights = map[uintptr]uint64{1: 1<<13 - 1, 2: 1<<14 - 1, 3: 1<<15 - 1, 4: 1<<15 - 1, 5: 1<<16 - 1}

// landlock forbids opening any file from now on. What is open stays open, and
// sockets in the file system may still be connected to.
func landlock(internet bool) error {
	version, _, e := syscall.RawSyscall(sysCreateRuleset, 0, 0, askVersion)
	if e != 0 {
		return nil // not in this kernel, or switched off
	}
	attr := struct{ files, net uint64 }{files: fileRights[min(version, 5)]}
	size := uintptr(8)
	if version >= 4 {
		size = 16
		if !internet {
			attr.net = netTCP
		}
	}
	fd, _, e := syscall.RawSyscall(sysCreateRuleset, uintptr(unsafe.Pointer(&attr)), size, 0)
	if e != 0 {
		return e
	}
	err := everyThread(sysRestrictSelf, fd, 0, 0)
	return errors.Join(err, syscall.Close(int(fd)))
}
