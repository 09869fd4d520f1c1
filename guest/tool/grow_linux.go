package tool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Grow makes the file system mounted at root as large as its disk allows: its
// partition, when it is the last one, then the file system itself, while it is in
// use. The kernel is asked directly, so a system needs no tools for it. It says
// what it did; doing it again does nothing.
func Grow(root string) (string, error) {
	m, err := mountAt(root)
	if err != nil {
		return "", err
	}
	p, err := partitionOf(m.device)
	if err != nil {
		return "", err
	}
	length, grown, err := p.grow()
	if err != nil {
		return "", err
	}
	if err := growFileSystem(root, m.kind, length); err != nil {
		return "", err
	}
	if !grown {
		return fmt.Sprintf("%s fills its disk (%d MiB)", root, length>>20), nil
	}
	return fmt.Sprintf("%s grew to %d MiB", root, length>>20), nil
}

type mount struct{ device, kind string } // device is MAJOR:MINOR

// mountAt reads proc(5)'s mountinfo; the last mount at a place is the one seen.
func mountAt(root string) (m mount, err error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return m, err
	}
	for l := range strings.Lines(string(b)) {
		front, back, ok := strings.Cut(l, " - ")
		f, g := strings.Fields(front), strings.Fields(back)
		if ok && len(f) >= 5 && len(g) >= 1 && f[4] == filepath.Clean(root) {
			m = mount{f[2], g[0]}
		}
	}
	if m.device == "" {
		return m, fmt.Errorf("nothing is mounted at %s", root)
	}
	return m, nil
}

// partition is one on a disk of this machine.
type partition struct {
	disk         string // the device's name, without /dev
	number       int
	disks, block int64 // the disk's size and block size in bytes
}

func partitionOf(device string) (p partition, err error) {
	dir, err := filepath.EvalSymlinks("/sys/dev/block/" + device)
	if err != nil {
		return p, err
	}
	n, err := number(dir + "/partition")
	if err != nil {
		return p, errors.New("the file system is not on a partition of its own")
	}
	up := filepath.Dir(dir)
	sectors, err := number(up + "/size")
	if err != nil {
		return p, err
	}
	block, err := number(up + "/queue/logical_block_size")
	return partition{disk: filepath.Base(up), number: int(n), disks: sectors * 512, block: block}, err
}

func number(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// grow changes the table on the disk and what the kernel knows of it; length is
// the partition's then.
func (p partition) grow() (length int64, grown bool, err error) {
	f, err := os.OpenFile("/dev/"+p.disk, os.O_RDWR, 0)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	start, length, grown, err := growTable(f, p.disks, p.block, p.number)
	if err != nil {
		return 0, false, err
	}
	if err := f.Sync(); err != nil {
		return 0, false, err
	}
	// BLKPG_RESIZE_PARTITION of linux/blkpg.h; also when only the kernel does not
	// know yet. A partition that has this size is no error.
	part := struct {
		start, length int64
		number        int32
		_             [128 + 4]byte
	}{start: start, length: length, number: int32(p.number)}
	arg := struct {
		op, flags, size int32
		data            unsafe.Pointer
	}{op: 3, size: int32(unsafe.Sizeof(part)), data: unsafe.Pointer(&part)}
	if err := ioctl(f, unix.BLKPG, unsafe.Pointer(&arg)); err != nil {
		return 0, false, fmt.Errorf("tell the kernel of partition %d: %w", p.number, err)
	}
	return length, grown, nil
}

// Requests of file systems: linux/ext4.h and xfs_fs.h.
const (
	ext4Resize  = 0x40086610
	xfsGeometry = 0x80705864
	xfsGrow     = 0x4010586e
)

// growFileSystem lets a mounted file system use length bytes of its partition.
func growFileSystem(root, kind string, length int64) error {
	f, err := os.Open(root)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return err
	}
	blocks := uint64(length / st.Bsize)
	switch kind {
	case "ext4":
		err = ioctl(f, ext4Resize, unsafe.Pointer(&blocks))
	case "xfs":
		var geometry [14]uint64
		if err = ioctl(f, xfsGeometry, unsafe.Pointer(&geometry)); err != nil {
			break
		}
		grow := struct {
			blocks  uint64
			percent uint32
			_       uint32
		}{blocks: blocks, percent: uint32(geometry[3] >> 32)}
		if have := geometry[4]; have < blocks {
			err = ioctl(f, xfsGrow, unsafe.Pointer(&grow))
		}
	default:
		return fmt.Errorf("a file system of type %s is not grown", kind)
	}
	if err != nil {
		return fmt.Errorf("grow the %s file system at %s: %w", kind, root, err)
	}
	return nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if e != 0 {
		return e
	}
	return nil
}
