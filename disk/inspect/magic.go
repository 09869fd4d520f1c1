package inspect

import (
	"errors"
	"io"

	"slipway/disk/facts"
)

// magics recognise a file system by bytes at an offset of its partition.
// BitLocker stands before NTFS: it replaces the OEM name of the boot sector.
var magics = []struct {
	at   int64
	text string
	fs   string
}{
	{3, "-FVE-FS-", facts.BitLocker},
	{3, "NTFS    ", facts.NTFS},
	{3, "EXFAT   ", facts.ExFAT},
	{3, "ReFS\x00\x00\x00\x00", facts.ReFS},
	{82, "FAT32   ", facts.FAT},
	{54, "FAT16   ", facts.FAT},
	{54, "FAT12   ", facts.FAT},
	{0, "XFSB", facts.XFS},
	{0, "LUKS\xba\xbe", facts.LUKS},
	{0, "hsqs", facts.SquashFS},
	{512, "LABELONE", facts.LVM},
	{0, "LABELONE", facts.LVM},
	{1024 + 56, "\x53\xef", facts.Ext},
	{4096 - 10, "SWAPSPACE2", facts.Swap},
	{64<<10 + 64, "_BHRfS_M", facts.Btrfs},
}

// fileSystem names what begins at this offset of the disk, "" if unknown.
func fileSystem(r io.ReaderAt, at int64) string {
	head := make([]byte, 4096)
	n, err := r.ReadAt(head, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	for _, m := range magics {
		b := head[:n]
		off := m.at
		if off+int64(len(m.text)) > int64(len(head)) {
			b = make([]byte, len(m.text))
			if _, err := r.ReadAt(b, at+off); err != nil {
				continue
			}
			off = 0
		}
		if off+int64(len(m.text)) <= int64(len(b)) && string(b[off:off+int64(len(m.text))]) == m.text {
			return m.fs
		}
	}
	return ""
}

// zeroHead tells whether the first 4 MiB are zeros: with no partition table
// and no file system in front either, the disk is taken as empty.
func zeroHead(r io.ReaderAt, size int64) bool {
	buf := make([]byte, 64<<10)
	for at := int64(0); at < min(size, 4<<20); at += int64(len(buf)) {
		n, err := r.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		for _, b := range buf[:n] {
			if b != 0 {
				return false
			}
		}
	}
	return true
}
