package inspect

import (
	"bytes"
	"hash/crc32"
	"os"
	"strings"
	"testing"

	"slipway/disk/facts"
	"slipway/disk/fixture"
	"slipway/disk/rules"
)

func tableOf(b []byte, size int64) facts.Facts {
	var f facts.Facts
	readTable(bytes.NewReader(b), size, &f)
	return f
}

// gptDisk is a disk with an intact table of four partitions.
func gptDisk(t testing.TB) *os.File {
	f, err := os.OpenFile(fixtureDisk(t, fixture.WindowsBitLocker, fixture.Options{}), os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// patched is a disk with other bytes laid over it.
type patched struct {
	*os.File
	over map[int64][]byte
}

func (p patched) ReadAt(b []byte, at int64) (int, error) {
	n, err := p.File.ReadAt(b, at)
	for o, w := range p.over {
		for i, c := range w {
			if x := o + int64(i) - at; x >= 0 && x < int64(n) {
				b[x] = c
			}
		}
	}
	return n, err
}

func TestGPTCopies(t *testing.T) {
	d := gptDisk(t)
	const size = fixture.DefaultSize
	junk := []byte("junk")
	for _, c := range []struct {
		name            string
		over            map[int64][]byte
		primary, backup bool
		partitions      int
		blocked         string
	}{
		{"intact", nil, true, true, 4, ""},
		{"primary header", map[int64][]byte{512 + 24: junk}, false, true, 4, ""},
		{"primary signature", map[int64][]byte{512: junk}, false, true, 4, ""},
		{"primary entries", map[int64][]byte{1024 + 50: junk}, false, true, 4, ""},
		{"backup header", map[int64][]byte{size - 512 + 24: junk}, true, false, 4, ""},
		{"backup entries", map[int64][]byte{size - 33*512: junk}, true, false, 4, ""},
		{"both", map[int64][]byte{512 + 24: junk, size - 512 + 24: junk}, false, false, 0, "partition-table"},
		{"both signatures", map[int64][]byte{512: junk, size - 512: junk}, false, false, 0, "partition-table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := facts.Facts{SizeBytes: size}
			readTable(patched{d, c.over}, size, &f)
			if f.Table.Kind != facts.GPT || f.Table.PrimaryOK != c.primary || f.Table.BackupOK != c.backup || len(f.Partitions) != c.partitions {
				t.Errorf("%+v with %d partitions", f.Table, len(f.Partitions))
			}
			if c.primary != (len(f.Problems) == 0) {
				t.Errorf("problems: %q", f.Problems)
			}
			if c.blocked != "" {
				if got := codes(rules.Evaluate(rules.Open, f)); got != c.blocked {
					t.Errorf("verdict %q", got)
				}
			}
		})
	}
}

// Counts that a header claims must be bounded before anything is allocated.
func TestGPTBombs(t *testing.T) {
	for name, set := range map[string]func(h []byte){
		"four thousand million entries": func(h []byte) { le.PutUint32(h[80:], 0xFFFFFFFF) },
		"entries of 2 GiB":              func(h []byte) { le.PutUint32(h[84:], 1<<31) },
		"entries of 8 bytes":            func(h []byte) { le.PutUint32(h[84:], 8) },
		"entries of no bytes":           func(h []byte) { le.PutUint32(h[84:], 0) },
		"entries behind the end":        func(h []byte) { le.PutUint64(h[72:], 1<<60) },
		"entries at the last sector":    func(h []byte) { le.PutUint64(h[72:], 127) },
		"header of 4 GiB":               func(h []byte) { le.PutUint32(h[12:], 0xFFFFFFFF) },
		"header of 0 bytes":             func(h []byte) { le.PutUint32(h[12:], 0) },
		"backup far away":               func(h []byte) { le.PutUint64(h[32:], 1<<63) },
	} {
		t.Run(name, func(t *testing.T) {
			b := make([]byte, 64<<10)
			h := b[512:1024]
			copy(h, "EFI PART\x00\x00\x01\x00")
			le.PutUint32(h[12:], 92)
			le.PutUint64(h[24:], 1)
			le.PutUint64(h[72:], 2)
			le.PutUint32(h[80:], 128)
			le.PutUint32(h[84:], 128)
			set(h)
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:min(92, max(int(le.Uint32(h[12:])), 0))]))
			var f facts.Facts
			if n := testing.AllocsPerRun(1, func() { f = tableOf(b, int64(len(b))) }); n > 100 {
				t.Errorf("%v allocations", n)
			}
			if f.Table.Kind != facts.GPT || len(f.Partitions) != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestLogicalPartitionsThatLoop(t *testing.T) {
	b := make([]byte, 1<<20)
	entry := func(at int, i int, typ byte, first, n uint32) {
		e := b[at+446+16*i:]
		e[4] = typ
		le.PutUint32(e[8:], first)
		le.PutUint32(e[12:], n)
		b[at+510], b[at+511] = 0x55, 0xAA
	}
	entry(0, 0, 0x0F, 64, 1000)
	entry(64*512, 0, 0x83, 1, 10)
	entry(64*512, 1, 0x05, 100, 10)
	entry(164*512, 0, 0x83, 1, 10)
	entry(164*512, 1, 0x05, 0, 10) // no size of its own: invalid
	if f := tableOf(b, 1<<20); f.Table.Kind != facts.MBR || len(f.Partitions) != 3 {
		t.Errorf("%+v", f)
	}
	entry(164*512, 1, 0x05, 100, 10) // back to itself
	f := tableOf(b, 1<<20)
	if len(f.Partitions) != 3 || !strings.Contains(strings.Join(f.Problems, " "), "loops") {
		t.Errorf("%+v", f)
	}
}

func TestFileSystemWithoutTable(t *testing.T) {
	for magic, want := range map[string]string{"\xEB\x52\x90NTFS    ": facts.NTFS, "XFSB": facts.XFS, "LUKS\xba\xbe": facts.LUKS, "\xEB\x58\x90-FVE-FS-": facts.BitLocker} {
		b := make([]byte, 256<<10)
		copy(b, magic)
		b[510], b[511] = 0x55, 0xAA
		p := t.TempDir() + "/fs"
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f := inspect(t, p)
		if f.Table.Kind != facts.NoTable || !f.HasFileSystem(want) {
			t.Errorf("%s: %+v", want, f)
		}
		if got := codes(rules.Evaluate(rules.Open, f)); got != "partition-table" {
			t.Errorf("%s: verdict %q", want, got)
		}
	}
}

// Whatever the bytes, the table reader ends, stays inside its bounds and says
// only what the file can hold.
func FuzzTable(f *testing.F) {
	head := make([]byte, 40<<10)
	if _, err := gptDisk(f).ReadAt(head, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	mbr := make([]byte, 2048)
	mbr[450], mbr[454], mbr[458], mbr[510], mbr[511] = 0x0F, 1, 2, 0x55, 0xAA
	f.Add(mbr)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Checksums would keep the fuzzer out: make those of the primary right.
		b = bytes.Clone(b)
		if len(b) >= 1024 && string(b[512:520]) == "EFI PART" {
			h := b[512:1024]
			at, n := le.Uint64(h[72:]), uint64(le.Uint32(h[80:]))*uint64(le.Uint32(h[84:]))
			if at < 1<<20 && n < 1<<20 && at*512+n <= uint64(len(b)) {
				le.PutUint32(h[88:], crc32.ChecksumIEEE(b[at*512:at*512+n]))
			}
			le.PutUint32(h[16:], 0)
			le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:min(512, max(92, le.Uint32(h[12:])))]))
		}
		got := tableOf(b, int64(len(b)))
		if len(got.Partitions) > maxPartitions+4+maxEBRs {
			t.Errorf("%d partitions", len(got.Partitions))
		}
		for _, p := range got.Partitions {
			if p.StartBytes < 0 || p.SizeBytes <= 0 || p.BeyondEnd != (p.StartBytes+p.SizeBytes > int64(len(b))) {
				t.Errorf("%+v in %d bytes", p, len(b))
			}
			fileSystem(bytes.NewReader(b), p.StartBytes)
		}
		if got.Table.NeedsBytes < 0 {
			t.Errorf("%+v", got.Table)
		}
	})
}
