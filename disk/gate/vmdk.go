package gate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Flags of a sparse extent's header (VMware, Virtual Disk Format 5.0).
const (
	vmdkNewlines   = 1 << 0
	vmdkRedundant  = 1 << 1
	vmdkZeroGrain  = 1 << 2
	vmdkCompressed = 1 << 16
	vmdkMarkers    = 1 << 17
	vmdkKnown      = vmdkNewlines | vmdkRedundant | vmdkZeroGrain | vmdkCompressed | vmdkMarkers
)

const (
	sector   = 512
	gdAtEnd  = 1<<64 - 1
	maxGrain = 2048 // sectors: 1 MiB; what is written is 128
)

// vmdk is a checked header and the layout it describes.
type vmdk struct {
	f        *input
	tab      tables
	size     int64
	flags    uint32
	capacity int64 // sectors
	grain    int64 // bytes
	perTable int64
	gdAt     int64 // of the grain directory, bytes
	gdLen    int64 // entries
	overhead int64 // bytes before the first grain
}

func (d *Disk) openVMDK(f *input) error {
	h, err := f.at(0, min(f.size, sector))
	if err != nil {
		return err
	}
	if string(h[:4]) != "KDMV" {
		return textDescriptor(f)
	}
	if len(h) < sector {
		return refuse("VMDK_HEADER", "The VMDK file has %d bytes, fewer than its header.", f.size)
	}
	v := &vmdk{f: f}
	v.tab.f = f
	if err := v.header(h); err != nil {
		return err
	}
	kind, err := v.descriptor(h)
	if err != nil {
		return err
	}
	d.Subformat = kind
	if (kind == "streamOptimized") != (v.flags&vmdkCompressed != 0) {
		return refuse("VMDK_FLAGS", "The VMDK file says that it is %s; its flags, %#x, say otherwise.", kind, v.flags)
	}
	if v.size, err = d.sizeOf(uint64(v.capacity), sector); err != nil {
		return err
	}
	if be64 := le.Uint64(h[56:]); be64 == gdAtEnd {
		if h, err = v.footer(h); err != nil {
			return err
		}
	}
	if err := v.directory(h); err != nil {
		return err
	}
	d.serve(f, v)
	return nil
}

// textDescriptor names what a description without data points at.
func textDescriptor(f *input) error {
	b, err := f.at(0, min(f.size, 64<<10))
	if err != nil && f.size > 4096 { // sniffed
		b, err = f.at(0, 4096)
	}
	if err != nil {
		b = nil
	}
	names := ""
	for _, m := range vmdkExtent.FindAllSubmatch(b, 4) {
		if names += ", "; len(m) > 4 {
			names += strings.TrimSuffix(string(m[3])+" "+quote(m[4]), " ``")
		}
	}
	if names == "" {
		names = " no disk that could be found"
	}
	return refuse("VMDK_TEXT_DESCRIPTOR", "The VMDK file is a description only; its data is elsewhere:%s.", strings.TrimPrefix(names, ","))
}

func (v *vmdk) header(h []byte) error {
	if n := le.Uint32(h[4:]); n < 1 || n > 3 {
		return refuse("VMDK_VERSION", "The VMDK file is of version %d; 1 to 3 are known.", n)
	}
	v.flags = le.Uint32(h[8:])
	if v.flags&vmdkNewlines != 0 && string(h[73:77]) != "\n \r\n" {
		return refuse("VMDK_DAMAGED_BY_TEXT_MODE", "The VMDK file was changed by a transfer as text.")
	}
	if v.flags&^vmdkKnown != 0 || v.flags&vmdkMarkers != 0 && v.flags&vmdkCompressed == 0 {
		return refuse("VMDK_FLAGS", "The VMDK file sets flags that are not known: %#x.", v.flags)
	}
	if h[72] != 0 {
		return refuse("VMDK_UNCLEAN", "The VMDK file was not closed: its machine was running or crashed.")
	}
	if c := le.Uint16(h[77:]); c > 1 || (c == 1) != (v.flags&vmdkCompressed != 0) {
		return refuse("VMDK_COMPRESSION", "The VMDK file is compressed by method %d, which is not known or not announced.", c)
	}
	grain, per := le.Uint64(h[20:]), le.Uint32(h[44:])
	if grain < 8 || grain > maxGrain || grain&(grain-1) != 0 {
		return refuse("VMDK_GRAIN_SIZE", "The VMDK file has grains of %d sectors; a power of two from 8 to %d is allowed.", grain, maxGrain)
	}
	if per != 512 {
		return refuse("VMDK_GRAIN_SIZE", "The VMDK file has %d entries in a grain table; 512 is allowed.", per)
	}
	v.grain, v.perTable = int64(grain)*sector, int64(per)
	capacity := le.Uint64(h[12:])
	if capacity == 0 {
		return refuse("VMDK_CAPACITY", "The VMDK file holds a disk of no sectors.")
	}
	if capacity > MaxBytes/sector {
		return refuse("TOO_LARGE", "The vmdk holds a disk of %d sectors, more than 64 TiB.", capacity)
	}
	v.capacity = int64(capacity)
	overhead := le.Uint64(h[64:])
	if overhead == 0 || overhead > uint64(v.f.size/sector) {
		return refuse("VMDK_HEADER", "The VMDK file says that its first grain is at sector %d; it has %d.", overhead, v.f.size/sector)
	}
	v.overhead = int64(overhead) * sector
	return nil
}

var (
	vmdkExtent = regexp.MustCompile(`(?m)^\s*(RW|RDONLY|NOACCESS)\s+(\d{1,18})\s+([A-Za-z0-9_]+)(?:\s+"([^"\n]*)")?[^\n]*$`)
	vmdkKey    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_.:]*)\s*=\s*(.*)$`)
)

// descriptor checks the text inside of the file and gives its createType.
func (v *vmdk) descriptor(h []byte) (string, error) {
	off, n := le.Uint64(h[28:]), le.Uint64(h[36:])
	if off == 0 || n == 0 {
		return "", refuse("VMDK_NO_DESCRIPTOR", "The VMDK file is one extent of a disk in several files: it holds no description.")
	}
	const most = 2048 // sectors
	if n > most || off > uint64(v.f.size/sector) || !v.f.holds(int64(off)*sector, int64(n)*sector) {
		return "", refuse("VMDK_DESCRIPTOR", "The VMDK file's description, %d sectors at %d, does not lie in the file.", n, off)
	}
	b, err := v.f.at(int64(off)*sector, int64(n)*sector)
	if err != nil {
		return "", err
	}
	text, rest, _ := strings.Cut(string(b), "\x00")
	if strings.Trim(rest, "\x00") != "" {
		return "", refuse("VMDK_DESCRIPTOR", "The VMDK file's description has bytes behind its end.")
	}
	return v.lines(text)
}

func (v *vmdk) lines(text string) (string, error) {
	if !strings.HasPrefix(text, "# Disk DescriptorFile") {
		return "", refuse("VMDK_DESCRIPTOR", "The VMDK file's description does not begin as one.")
	}
	keys, extents := map[string]string{}, 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if m := vmdkKey.FindStringSubmatch(line); m != nil {
			k := strings.ToLower(m[1])
			if _, twice := keys[k]; twice && !strings.HasPrefix(k, "ddb.") {
				return "", refuse("VMDK_DESCRIPTOR", "The VMDK file's description says %s twice.", quote(m[1]))
			}
			keys[k] = strings.Trim(m[2], `"`)
			continue
		}
		m := vmdkExtent.FindStringSubmatch(line)
		if m == nil {
			return "", refuse("VMDK_DESCRIPTOR", "The VMDK file's description has a line that is not known: %s.", quote(line))
		}
		if extents++; extents > 1 {
			return "", refuse("VMDK_EXTENT", "The VMDK file's description lists more than one extent.")
		}
		if m[3] != "SPARSE" || m[1] == "NOACCESS" || m[4] == "" || strings.ContainsAny(m[4], `/\:`) || strings.Contains(m[4], "..") {
			return "", refuse("VMDK_EXTENT", "The VMDK file's description points outside of the file: %s.", quote(line))
		}
		if n, err := strconv.ParseInt(m[2], 10, 64); err != nil || n != v.capacity {
			return "", refuse("VMDK_CAPACITY", "The VMDK file's description says %s sectors, its header %d.", m[2], v.capacity)
		}
	}
	return createType(keys, extents)
}

func createType(keys map[string]string, extents int) (string, error) {
	for k, val := range keys {
		if strings.HasPrefix(k, "encryption.") || k == "ddb.encoding.key" {
			return "", refuse("VMDK_ENCRYPTED", "The VMDK file is encrypted (%s).", quote(k))
		}
		if strings.HasPrefix(k, "parentfilename") {
			return "", refuse("VMDK_PARENT", "The VMDK file names a parent, %s.", quote(val))
		}
	}
	if p, ok := keys["parentcid"]; ok && !strings.EqualFold(p, "ffffffff") {
		return "", refuse("VMDK_PARENT", "The VMDK file has a parent (parentCID %s).", quote(p))
	}
	kind := keys["createtype"]
	if kind != "monolithicSparse" && kind != "streamOptimized" {
		return "", refuse("VMDK_CREATE_TYPE", "The VMDK file is of the type %s; monolithicSparse and streamOptimized are taken.", quote(kind))
	}
	if extents != 1 {
		return "", refuse("VMDK_EXTENT", "The VMDK file's description lists no extent.")
	}
	return kind, nil
}

// footer reads the header at the end, which alone knows the directory.
func (v *vmdk) footer(head []byte) ([]byte, error) {
	if v.f.size%sector != 0 || v.f.size < 4*sector || v.f.size == unbounded {
		if v.f.size == unbounded {
			return nil, errBeyond
		}
		return nil, refuse("VMDK_TRUNCATED", "The VMDK file has %d bytes, no whole number of sectors.", v.f.size)
	}
	b, err := v.f.at(v.f.size-3*sector, 3*sector)
	if err != nil {
		return nil, err
	}
	marker, foot, end := b[:sector], b[sector:2*sector], b[2*sector:]
	if le.Uint64(marker) != 1 || le.Uint32(marker[8:]) != 0 || le.Uint32(marker[12:]) != 3 || !allZero(end) || string(foot[:4]) != "KDMV" {
		return nil, refuse("VMDK_FOOTER", "The VMDK file does not end with the footer that its header announces.")
	}
	same := func(from, to int) bool { return string(head[from:to]) == string(foot[from:to]) }
	if !same(0, 28) || !same(44, 48) || !same(72, 79) {
		return nil, refuse("VMDK_FOOTER", "The VMDK file's footer contradicts its header.")
	}
	if le.Uint64(foot[56:]) == gdAtEnd {
		return nil, refuse("VMDK_FOOTER", "The VMDK file's footer does not say where the grain directory is.")
	}
	return foot, nil
}

func (v *vmdk) directory(h []byte) error {
	at := le.Uint64(h[56:])
	span := v.grain * v.perTable
	v.gdLen = (v.size + span - 1) / span
	if at == 0 || at > uint64(v.f.size/sector) || !v.f.holds(int64(at)*sector, 4*v.gdLen) {
		return refuse("VMDK_GRAIN_DIRECTORY", "The VMDK file's grain directory of %d entries at sector %d does not lie in the file of %d bytes.", v.gdLen, at, v.f.size)
	}
	v.gdAt = int64(at) * sector
	return nil
}

func (v *vmdk) find(off int64) (stretch, error) {
	grain := off / v.grain
	table := grain / v.perTable
	b, err := v.tab.entry(v.gdAt+4*table, 4)
	if err != nil {
		return stretch{}, err
	}
	at := int64(le.Uint32(b)) * sector
	if at == 0 {
		run, err := v.tab.zeros(v.gdAt+4*table, 4, v.gdLen-table)
		return stretch{n: (table+run)*v.perTable*v.grain - off}, err
	}
	if !v.f.holds(at, 4*v.perTable) || at < sector {
		return stretch{}, refuse("VMDK_GRAIN_TABLE", "The VMDK file's grain table %d should be at %d; the file has %d bytes.", table, at, v.f.size)
	}
	if b, err = v.tab.entry(at+4*(grain%v.perTable), 4); err != nil {
		return stretch{}, err
	}
	e := int64(le.Uint32(b))
	n := (grain+1)*v.grain - off
	if e == 0 {
		run, err := v.tab.zeros(at+4*(grain%v.perTable), 4, v.perTable-grain%v.perTable)
		return stretch{n: n + (run-1)*v.grain}, err
	}
	if e == 1 && v.flags&vmdkZeroGrain != 0 {
		return stretch{n: n}, nil
	}
	at = e * sector
	need := min(v.grain, v.size-grain*v.grain)
	if v.flags&vmdkCompressed != 0 {
		need = 13
	}
	if at < v.overhead || v.covers(at, need) {
		return stretch{}, refuse("VMDK_GRAIN", "The VMDK file's grain %d lies over the file's own tables, at %d.", grain, at)
	}
	if !v.f.holds(at, need) {
		return stretch{}, refuse("VMDK_TRUNCATED", "The VMDK file's grain %d should be at %d; the file has %d bytes.", grain, at, v.f.size)
	}
	if v.flags&vmdkCompressed == 0 {
		return stretch{n: n, kind: plain, at: at + off%v.grain, host: at, hostN: v.grain}, nil
	}
	return stretch{n: n, kind: packed, at: at, host: at, hostN: sector, unit: grain * v.grain, unpack: func() ([]byte, error) { return v.unpack(grain, at) }}, nil
}

// covers tells whether n bytes at off touch the grain directory.
func (v *vmdk) covers(off, n int64) bool { return off < v.gdAt+4*v.gdLen && v.gdAt < off+n }

// unpack reads a compressed grain: its number, its length, a zlib stream.
func (v *vmdk) unpack(grain, at int64) ([]byte, error) {
	h, err := v.f.at(at, 12)
	if err != nil {
		return nil, err
	}
	n := int64(le.Uint32(h[8:]))
	bad := func(why string) error {
		return refuse("VMDK_GRAIN", "The VMDK file's grain %d at %d is damaged: %s.", grain, at, why)
	}
	if lba := le.Uint64(h); lba != uint64(grain*v.grain/sector) {
		return nil, bad(fmt.Sprintf("it says that it belongs to sector %d", lba))
	}
	if n == 0 || n > 2*v.grain+1024 || !v.f.holds(at+12, n) {
		return nil, bad(fmt.Sprintf("it has %d bytes", n))
	}
	in, err := v.f.at(at+12, n)
	if err != nil {
		return nil, err
	}
	out := make([]byte, v.grain)
	got, err := zlibInto(out, in)
	if err != nil {
		return nil, bad("it cannot be unpacked")
	}
	if int64(got) < min(v.grain, v.size-grain*v.grain) {
		return nil, bad(fmt.Sprintf("it unpacks to %d bytes", got))
	}
	return out, nil
}
