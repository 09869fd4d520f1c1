package inspect

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"slipway/disk/facts"
)

const (
	maxPartitions  = 128     // reported
	maxEntryBytes  = 1 << 20 // of a GPT entry array: eight times what every tool writes
	maxEBRs        = 64
	gptHeaderBytes = 92
)

var le = binary.LittleEndian

// gptRoles names the partition types that matter here (UEFI 2.10 §5.3.3 and
// Microsoft's PARTITION_INFORMATION_GPT).
var gptRoles = map[string]string{
	"C12A7328-F81F-11D2-BA4B-00A0C93EC93B": facts.RoleESP,
	"E3C9E316-0B5C-4DB8-817D-F92DF00215AE": facts.RoleMSR,
	"DE94BBA4-06D1-4D40-A16A-BFD50179D6AC": facts.RoleRecovery,
	"21686148-6449-6E6F-744E-656564454649": facts.RoleBIOSBoot,
}

// readTable fills in table and partitions. It trusts nothing: checksums are
// checked and every count is bounded by the file.
func readTable(r io.ReaderAt, size int64, f *facts.Facts) {
	f.Table.Kind = facts.NoTable
	for _, sector := range []int64{512, 4096} {
		if readGPT(r, size, sector, f) {
			return
		}
	}
	readMBR(r, size, f)
}

// gptHeader is a header whose own checksum holds and whose fields are in bounds.
type gptHeader struct {
	entriesLBA uint64
	count      int64
	entrySize  int64
	entries    []byte // nil when unreadable or its checksum fails
	alternate  uint64
}

func readGPT(r io.ReaderAt, size, sector int64, f *facts.Facts) bool {
	raw := make([]byte, gptHeaderBytes)
	_, err := r.ReadAt(raw, sector)
	signed := err == nil && string(raw[:8]) == "EFI PART"
	primary := readGPTHeader(r, size, sector, 1)
	var backup *gptHeader
	last := uint64(size/sector) - 1
	if size >= 3*sector {
		backup = readGPTHeader(r, size, sector, last)
	}
	if !signed && (backup == nil || backup.entries == nil) {
		return false
	}
	t := &f.Table
	*t = facts.Table{Kind: facts.GPT, SectorSize: int(sector), ProtectiveMBR: protective(r),
		PrimaryOK: primary != nil && primary.entries != nil, BackupOK: backup != nil && backup.entries != nil}
	if primary != nil && backup == nil && primary.alternate > 1 && primary.alternate < last { // a disk that grew
		backup = readGPTHeader(r, size, sector, primary.alternate)
		t.BackupOK = backup != nil && backup.entries != nil
	}
	use := primary
	switch {
	case t.PrimaryOK:
		// The backup stands at the last sector of the disk the table was made for.
		if n := int64(min(primary.alternate, 1<<54)) + 1; primary.alternate != 0 && n <= 1<<62/sector {
			t.NeedsBytes = n * sector
		}
	case t.BackupOK:
		use = backup
		f.Problems = append(f.Problems, "The primary partition table is damaged; the backup at the end of the disk was used.")
	default:
		f.Problems = append(f.Problems, "The partition table is damaged: its checksum does not hold and there is no backup.")
		return true
	}
	gptPartitions(use, size, sector, f)
	return true
}

// readGPTHeader reads the header at lba; nil when it is not one.
func readGPTHeader(r io.ReaderAt, size, sector int64, lba uint64) *gptHeader {
	b := make([]byte, sector)
	if _, err := r.ReadAt(b, int64(lba)*sector); err != nil || string(b[:8]) != "EFI PART" {
		return nil
	}
	n := int64(le.Uint32(b[12:]))
	if n < gptHeaderBytes || n > sector || le.Uint64(b[24:]) != lba {
		return nil
	}
	want := le.Uint32(b[16:])
	le.PutUint32(b[16:], 0)
	if crc32.ChecksumIEEE(b[:n]) != want {
		return nil
	}
	h := &gptHeader{alternate: le.Uint64(b[32:]), entriesLBA: le.Uint64(b[72:]),
		count: int64(le.Uint32(b[80:])), entrySize: int64(le.Uint32(b[84:]))}
	total := h.count * h.entrySize // both below 2^32: no overflow
	at := int64(h.entriesLBA) * sector
	if h.entrySize < 128 || h.entrySize%8 != 0 || total < h.count || total > maxEntryBytes ||
		h.entriesLBA > uint64(size/sector) || at+total > size {
		return h
	}
	entries := make([]byte, total)
	if _, err := r.ReadAt(entries, at); err == nil && crc32.ChecksumIEEE(entries) == le.Uint32(b[88:]) {
		h.entries = entries
	}
	return h
}

func gptPartitions(h *gptHeader, size, sector int64, f *facts.Facts) {
	const maxLBA = 1 << 50 // keeps the byte figures inside int64
	for i := int64(0); i < h.count; i++ {
		e := h.entries[i*h.entrySize:][:128]
		typ := guid(e)
		if typ == "00000000-0000-0000-0000-000000000000" {
			continue
		}
		if len(f.Partitions) == maxPartitions {
			f.Problems = append(f.Problems, fmt.Sprintf("Only the first %d partitions were looked at.", maxPartitions))
			return
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if first > last || last >= maxLBA {
			f.Problems = append(f.Problems, fmt.Sprintf("Partition %d has impossible bounds.", i+1))
			continue
		}
		p := facts.Partition{Number: int(i) + 1, Type: typ, Role: gptRoles[typ], Name: utf16Text(e[56:128]), GUID: guid(e[16:]),
			StartBytes: int64(first) * sector, SizeBytes: int64(last-first+1) * sector}
		add(f, p, size)
	}
}

// add appends a partition and notes what it says about the size of the disk.
func add(f *facts.Facts, p facts.Partition, size int64) {
	end := p.StartBytes + p.SizeBytes
	p.BeyondEnd = end > size
	f.Table.NeedsBytes = max(f.Table.NeedsBytes, end)
	f.Partitions = append(f.Partitions, p)
}

func guid(b []byte) string {
	return fmt.Sprintf("%08X-%04X-%04X-%04X-%012X", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// utf16Text reads zero-terminated UTF-16 and drops what is not printable.
func utf16Text(b []byte) string {
	var u []uint16
	for ; len(b) >= 2 && (b[0] != 0 || b[1] != 0); b = b[2:] {
		u = append(u, le.Uint16(b))
	}
	return clean(string(utf16.Decode(u)))
}

// clean makes text from a disk safe to show: printable, at most 256 bytes.
func clean(s string) string { return cleanTo(s, 256) }

func cleanTo(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return strings.TrimSpace(s)
}

func mbrSector(r io.ReaderAt, at int64) []byte {
	b := make([]byte, 512)
	if _, err := r.ReadAt(b, at); err != nil || b[510] != 0x55 || b[511] != 0xAA {
		return nil
	}
	return b
}

func protective(r io.ReaderAt) bool {
	b := mbrSector(r, 0)
	for i := 0; b != nil && i < 4; i++ {
		if b[446+16*i+4] == 0xEE {
			return true
		}
	}
	return false
}

// mbrEntry reads one of the four entries; ok is false when it cannot be one,
// as in the boot sector of a file system, which ends in the same signature.
func mbrEntry(b []byte, i int) (p facts.Partition, ok bool) {
	e := b[446+16*i:][:16]
	p.Active = e[0] == 0x80
	p.Type = fmt.Sprintf("0x%02X", e[4])
	p.StartBytes, p.SizeBytes = int64(le.Uint32(e[8:]))*512, int64(le.Uint32(e[12:]))*512
	return p, e[0]&0x7F == 0 && (e[4] == 0 || p.StartBytes > 0 && p.SizeBytes > 0)
}

func extended(typ string) bool { return typ == "0x05" || typ == "0x0F" || typ == "0x85" }

func readMBR(r io.ReaderAt, size int64, f *facts.Facts) {
	b := mbrSector(r, 0)
	if b == nil {
		return
	}
	var ps []facts.Partition
	for i := range 4 {
		p, ok := mbrEntry(b, i)
		if !ok {
			return
		}
		if p.Type == "0x00" {
			continue
		}
		p.Number = i + 1
		if p.Type == "0xEF" {
			p.Role = facts.RoleESP
		}
		ps = append(ps, p)
	}
	if len(ps) == 0 || fileSystem(r, 0) != "" {
		return
	}
	if protective(r) {
		f.Table = facts.Table{Kind: facts.GPT, SectorSize: 512, ProtectiveMBR: true}
		f.Problems = append(f.Problems, "The disk announces a GPT partition table and has none.")
		return
	}
	f.Table.Kind, f.Table.SectorSize = facts.MBR, 512
	for _, p := range ps {
		f.Table.BootCode = f.Table.BootCode || p.Active && b[0] != 0
		add(f, p, size)
		if extended(p.Type) {
			readLogical(r, size, p.StartBytes, f)
		}
	}
}

// readLogical follows the chain of logical partitions. Each link has to lie
// behind the one before it, so a loop ends.
func readLogical(r io.ReaderAt, size, base int64, f *facts.Facts) {
	at, number := base, 5
	for range maxEBRs {
		b := mbrSector(r, at)
		if b == nil {
			return
		}
		if p, ok := mbrEntry(b, 0); ok && p.Type != "0x00" {
			p.Number = number
			p.StartBytes += at
			add(f, p, size)
			number++
		}
		next, ok := mbrEntry(b, 1)
		if !ok || !extended(next.Type) {
			return
		}
		if base+next.StartBytes <= at {
			f.Problems = append(f.Problems, "The chain of logical partitions loops.")
			return
		}
		at = base + next.StartBytes
	}
	f.Problems = append(f.Problems, fmt.Sprintf("Only the first %d logical partitions were looked at.", maxEBRs))
}
