package inspect

import (
	"errors"
	"fmt"

	"slipway/disk/facts"
)

// structure reads what our own bounded code can tell: the table, the
// partitions and what begins in them.
func structure(disk source) (*facts.Facts, error) {
	f := &facts.Facts{Version: facts.Version, SizeBytes: disk.size, OS: facts.Unknown}
	if !disk.hasData() {
		f.Empty, f.Table.Kind = true, facts.NoTable
		return f, nil
	}
	readTable(disk, f.SizeBytes, f)
	for i := range f.Partitions {
		p := &f.Partitions[i]
		if p.StartBytes < f.SizeBytes && !extended(p.Type) {
			p.FileSystem = fileSystem(disk, p.StartBytes)
		}
	}
	if f.Table.Kind == facts.NoTable {
		if fs := fileSystem(disk, 0); fs != "" {
			f.Partitions = append(f.Partitions, facts.Partition{SizeBytes: f.SizeBytes, FileSystem: fs})
		} else {
			f.Empty = zeroHead(disk, f.SizeBytes)
		}
	}
	return f, nil
}

// examine looks into the file systems. It runs in the worker only: the
// libraries it calls can be made to loop or to exhaust memory by a crafted disk.
func examine(disk source) (*facts.Facts, error) {
	f, err := structure(disk)
	if err != nil {
		return nil, err
	}
	windows, linux := 0, 0
	for _, p := range f.Partitions {
		if p.BeyondEnd {
			f.Problems = append(f.Problems, fmt.Sprintf("Partition %d reaches behind the end of the disk.", p.Number))
		}
		var problems []string
		err := guard(func() (err error) {
			switch p.FileSystem {
			case facts.FAT:
				if p.Role == facts.RoleESP && f.ESP == nil {
					f.ESP, err = readESP(disk, p)
				}
			case facts.NTFS:
				if p.Role == facts.RoleRecovery {
					return nil
				}
				var w *facts.WindowsOS
				if w, problems, err = readWindows(disk, p, f.Partitions); w != nil {
					if windows++; f.Windows == nil {
						f.Windows = w
					}
				}
			case facts.Ext, facts.XFS:
				var l *facts.LinuxOS
				l, problems, err = openLinux(disk, p)
				if l != nil {
					if linux++; f.Linux == nil {
						f.Linux = l
					}
				}
			case facts.Btrfs, facts.LVM, facts.LUKS, facts.BitLocker, facts.ReFS:
				problems = []string{fmt.Sprintf("%s holds %s, which the inspection cannot read.", upper(partition(p)), fsWord(p.FileSystem))}
			}
			return err
		})
		if err != nil && !errors.Is(err, errNotRoot) && !errors.Is(err, errNotWindows) {
			problems = append(problems, fmt.Sprintf("The %s file system of %s could not be read: %s.", fsWord(p.FileSystem), partition(p), clean(err.Error())))
		}
		f.Problems = append(f.Problems, problems...)
	}
	if f.Linux != nil {
		bootFiles(disk, f)
	}
	decide(f, windows, linux)
	return f, nil
}

func decide(f *facts.Facts, windows, linux int) {
	switch {
	case windows > 0 && linux > 0:
		f.Problems = append(f.Problems, "The disk holds both Windows and Linux; which one starts is not known.")
	case windows > 0:
		f.OS = facts.Windows
	case linux > 0:
		f.OS = facts.Linux
	}
	if windows > 1 || linux > 1 {
		f.Problems = append(f.Problems, "The disk holds more than one operating system; the first one was looked at.")
	}
}

// openUnix opens a file system that Linux may start from.
func openUnix(disk source, p facts.Partition) (linuxFS, error) {
	if p.FileSystem == facts.XFS {
		return openXFS(disk, p)
	}
	return openExt(disk, p)
}

// bootFiles looks for what the boot loader loads, in the root file system and in
// those that may be mounted over its /boot.
func bootFiles(disk source, f *facts.Facts) {
	err := guard(func() error {
		var dirs []bootDir
		for _, p := range f.Partitions {
			if p.FileSystem != facts.Ext && p.FileSystem != facts.XFS {
				continue
			}
			x, err := openUnix(disk, p)
			if err != nil {
				continue // told already
			}
			if d := (bootDir{x, ""}); p.Number != f.Linux.Partition {
				dirs = append([]bootDir{d}, dirs...)
			} else {
				d.dir = "boot"
				dirs = append(dirs, d)
			}
		}
		initramfses(f.Linux.Kernels, dirs, maxUnpacked)
		return nil
	})
	if err != nil {
		f.Problems = append(f.Problems, "The initramfs could not be read: "+clean(err.Error())+".")
	}
}

func openLinux(disk source, p facts.Partition) (*facts.LinuxOS, []string, error) {
	x, err := openUnix(disk, p)
	if err != nil {
		return nil, nil, err
	}
	return readLinux(x, p.Number)
}

// guard turns a panic of a library into an error, so that the other
// partitions are still looked at. What cannot be recovered ends the worker.
func guard(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it is damaged (%v)", r)
		}
	}()
	return fn()
}

func upper(s string) string { return string(s[0]-'a'+'A') + s[1:] }

func fsWord(fs string) string {
	if w := map[string]string{facts.FAT: "FAT", facts.NTFS: "NTFS", facts.Ext: "ext", facts.XFS: "XFS", facts.Btrfs: "btrfs",
		facts.LVM: "LVM volumes", facts.LUKS: "LUKS encryption", facts.BitLocker: "BitLocker encryption", facts.ReFS: "ReFS"}[fs]; w != "" {
		return w
	}
	return fs
}
