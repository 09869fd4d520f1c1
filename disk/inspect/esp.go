package inspect

import (
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"slipway/disk/facts"
)

const maxLoaders = 32

// section gives one partition to a library that wants to own a disk.
func section(disk source, p facts.Partition) backend.Storage {
	return backend.Sub(&readOnly{SectionReader: io.NewSectionReader(disk, 0, disk.size)}, p.StartBytes, p.SizeBytes)
}

func openFAT(disk source, p facts.Partition) (filesystem.FileSystem, error) {
	head := make([]byte, 90)
	if _, err := disk.ReadAt(head, p.StartBytes); err != nil {
		return nil, err
	}
	if err := checkFAT(head, p.SizeBytes); err != nil {
		return nil, err
	}
	switch b := section(disk, p); {
	case string(head[82:90]) == "FAT32   ":
		return fat32.Read(b, p.SizeBytes, 0, 512)
	case string(head[54:62]) == "FAT16   ":
		return fat16.Read(b, p.SizeBytes, 0, 512)
	default:
		return fat12.Read(b, p.SizeBytes, 0, 512)
	}
}

// checkFAT refuses a boot sector whose file allocation table could not belong to
// a partition of that size: the libraries read as much of it as it claims. There
// are at most four bytes for each cluster, and no clusters below one sector;
// formatters round up.
func checkFAT(boot []byte, size int64) error {
	sector, sectors := int64(le.Uint16(boot[11:])), int64(le.Uint16(boot[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(boot[36:]))
	}
	if most := size/64 + 64<<10; sector*sectors > most {
		return fmt.Errorf("the boot sector claims a file allocation table of %d bytes, on a partition of %d", sector*sectors, size)
	}
	return nil
}

// readESP looks for boot loaders in the EFI system partition. Directories are
// at most two deep below \EFI, as every known installer makes them.
func readESP(disk source, p facts.Partition) (*facts.ESP, error) {
	fs, err := openFAT(disk, p)
	if err != nil {
		return nil, err
	}
	esp := &facts.ESP{Partition: p.Number}
	root, err := fs.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range root {
		if e.IsDir() && strings.EqualFold(e.Name(), "EFI") {
			err = walkESP(fs, e.Name(), 2, esp)
		}
	}
	return esp, err
}

func walkESP(fs filesystem.FileSystem, dir string, deep int, esp *facts.ESP) error {
	es, err := fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range es {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir() && deep > 0:
			if err := walkESP(fs, name, deep-1, esp); err != nil {
				return err
			}
		case !e.IsDir() && strings.HasSuffix(strings.ToLower(name), ".efi"):
			note(fs, name, esp)
		}
	}
	return nil
}

// note records a boot loader; a file that is not an executable is not one.
func note(fs filesystem.FileSystem, name string, esp *facts.ESP) {
	f, err := fs.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return
	}
	defer f.Close()
	var mz [2]byte
	if _, err := io.ReadFull(f, mz[:]); err != nil || string(mz[:]) != "MZ" {
		return
	}
	shown := `\` + strings.ReplaceAll(name, "/", `\`)
	esp.Fallback = esp.Fallback || strings.EqualFold(shown, `\EFI\BOOT\BOOTX64.EFI`)
	esp.BootMgr = esp.BootMgr || strings.EqualFold(shown, `\EFI\Microsoft\Boot\bootmgfw.efi`)
	if len(esp.Loaders) == maxLoaders {
		return
	}
	esp.Loaders = append(esp.Loaders, clean(shown))
	at := &seekingReader{f}
	if pe, err := readPE(at); err == nil {
		if names, ok := pe.signers(at); ok {
			esp.Signed = append(esp.Signed, facts.Signed{File: clean(shown), Authorities: names})
		}
	}
}

func partition(p facts.Partition) string {
	if p.Number == 0 {
		return "the disk"
	}
	return fmt.Sprintf("partition %d", p.Number)
}

// seekingReader reads at offsets of what can only seek.
type seekingReader struct{ io.ReadSeeker }

func (s *seekingReader) ReadAt(b []byte, at int64) (int, error) {
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(s, b)
}
