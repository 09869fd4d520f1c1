package qemu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Numbers from linux/kvm.h and asm/kvm.h for x86-64.
const (
	kvmGetAPIVersion = 0xae00
	kvmCreateVM      = 0xae01
	kvmRunSize       = 0xae04
	kvmCreateVCPU    = 0xae41
	kvmSetMemory     = 0x4020ae46
	kvmRun           = 0xae80
	kvmSetRegs       = 0x4090ae82
	kvmGetSregs      = 0x8138ae83
	kvmSetSregs      = 0x4138ae84
	kvmExitHLT       = 5
)

// kvmWorks runs one real virtual processor until it halts. That /dev/kvm opens
// proves nothing: inside other virtual machines it often opens, makes a machine
// and then cannot run it.
func kvmWorks(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- kvmHalt() }()
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		// The goroutine stays in the kernel; it gives up by itself if it returns.
		return errors.New("a virtual processor did not come back within 5 seconds")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func ioctl(fd, request, arg uintptr) (uintptr, error) {
	r, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, request, arg)
	if e != 0 {
		return 0, e
	}
	return r, nil
}

// kvmHalt builds a machine of one page of code that ends with hlt.
func kvmHalt() error {
	// A vCPU belongs to the thread that runs it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer dev.Close()
	if v, err := ioctl(dev.Fd(), kvmGetAPIVersion, 0); err != nil || v != 12 {
		return fmt.Errorf("API version is %d: %w", v, err)
	}
	vm, err := ioctl(dev.Fd(), kvmCreateVM, 0)
	if err != nil {
		return fmt.Errorf("create a machine: %w", err)
	}
	defer syscall.Close(int(vm))
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("take a page: %w", err)
	}
	defer func() { _ = syscall.Munmap(page) }()
	copy(page, []byte{
		0x0f, 0xa2, // cpuid
		0xdb, 0xe3, // fninit
		0x9b, // fwait: half a KVM runs integer code and fails here, as firmware would
		0xf4, // hlt
	})
	region := struct {
		slot, flags    uint32
		at, size, user uint64
	}{at: 0x1000, size: 4096, user: uint64(uintptr(unsafe.Pointer(&page[0])))}
	if _, err := ioctl(vm, kvmSetMemory, uintptr(unsafe.Pointer(&region))); err != nil {
		return fmt.Errorf("give it memory: %w", err)
	}
	cpu, err := ioctl(vm, kvmCreateVCPU, 0)
	if err != nil {
		return fmt.Errorf("create a processor: %w", err)
	}
	defer syscall.Close(int(cpu))
	size, err := ioctl(dev.Fd(), kvmRunSize, 0)
	if err != nil || size < 16 {
		return fmt.Errorf("size of its state is %d: %w", size, err)
	}
	run, err := syscall.Mmap(int(cpu), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map its state: %w", err)
	}
	defer func() { _ = syscall.Munmap(run) }()
	var sregs [312]byte
	if _, err := ioctl(cpu, kvmGetSregs, uintptr(unsafe.Pointer(&sregs))); err != nil {
		return fmt.Errorf("read registers: %w", err)
	}
	binary.LittleEndian.PutUint64(sregs[0:], 0)  // cs.base
	binary.LittleEndian.PutUint16(sregs[12:], 0) // cs.selector
	if _, err := ioctl(cpu, kvmSetSregs, uintptr(unsafe.Pointer(&sregs))); err != nil {
		return fmt.Errorf("set segment registers: %w", err)
	}
	var regs [144]byte
	binary.LittleEndian.PutUint64(regs[128:], 0x1000) // rip
	binary.LittleEndian.PutUint64(regs[136:], 2)      // rflags: the bit that is always set
	if _, err := ioctl(cpu, kvmSetRegs, uintptr(unsafe.Pointer(&regs))); err != nil {
		return fmt.Errorf("set registers: %w", err)
	}
	// The runtime's own signals interrupt the call: try again for a while.
	for until := time.Now().Add(4 * time.Second); ; {
		_, err = ioctl(cpu, kvmRun, 0)
		if !errors.Is(err, syscall.EINTR) || time.Now().After(until) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("run it: %w", err)
	}
	if why := binary.LittleEndian.Uint32(run[8:]); why != kvmExitHLT {
		return fmt.Errorf("it stopped for reason %d and not at its halt", why)
	}
	return nil
}
