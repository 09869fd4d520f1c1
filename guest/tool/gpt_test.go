package tool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// table makes a disk with partitions of whole MiB, given as first and last MiB.
func table(t *testing.T, size, block int64, parts ...[2]int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	g := &gpt{block: block, entry: 128, header: make([]byte, 92), entries: make([]byte, 128*128)}
	copy(g.header, "EFI PART")
	le.PutUint32(g.header[8:], 0x10000)
	le.PutUint32(g.header[12:], 92)
	le.PutUint64(g.header[72:], 2)
	le.PutUint32(g.header[80:], 128)
	le.PutUint32(g.header[84:], 128)
	for i, p := range parts {
		e := g.entries[i*128:]
		e[0] = byte(i + 1)
		le.PutUint64(e[32:], uint64(p[0]<<20/block))
		le.PutUint64(e[40:], uint64((p[1]+1)<<20/block-1))
	}
	if err := g.write(f, size/block, (128*128)/block+1); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGrowTable(t *testing.T) {
	for _, block := range []int64{512, 4096} {
		f := table(t, 1<<30, block, [2]int64{1, 100}, [2]int64{101, 1022})
		const grown = 20 << 30
		if err := f.Truncate(grown); err != nil {
			t.Fatal(err)
		}
		start, length, did, err := growTable(f, grown, block, 2)
		if err != nil || !did || start != 101<<20 || length < grown-start-2<<20 || length%(1<<20) != 0 {
			t.Fatalf("%d: %d, %d, %v, %v", block, start, length, did, err)
		}
		// Both copies are whole, name each other, and say the same.
		front, err := readTable(f, block)
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian
		back := make([]byte, 92)
		if _, err := f.ReadAt(back, grown-block); err != nil {
			t.Fatal(err)
		}
		if headerSum(back) != le.Uint32(back[16:]) || le.Uint64(back[32:]) != 1 || int64(le.Uint64(front.header[32:])) != grown/block-1 {
			t.Errorf("%d: the copy at the end does not fit", block)
		}
		entries := make([]byte, len(front.entries))
		if _, err := f.ReadAt(entries, int64(le.Uint64(back[72:]))*block); err != nil || !bytes.Equal(entries, front.entries) || crc32.ChecksumIEEE(entries) != le.Uint32(back[88:]) {
			t.Errorf("%d: the entries at the end differ: %v", block, err)
		}
		if s, l, did, err := growTable(f, grown, block, 2); did || err != nil || s != start || l != length {
			t.Errorf("%d: again: %d, %d, %v, %v", block, s, l, did, err)
		}
	}
}

func TestGrowTableLeavesAlone(t *testing.T) {
	f := table(t, 10<<30, 512, [2]int64{101, 200}, [2]int64{1, 100})
	before, err := readTable(f, 512)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"not the last": 2, "no such": 200, "zero": 0} {
		if _, _, _, err := growTable(f, 10<<30, 512, n); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if after, err := readTable(f, 512); err != nil || !bytes.Equal(after.header, before.header) {
		t.Errorf("changed: %v", err)
	}
	if _, err := f.WriteAt([]byte{1}, 1024+500); err != nil { // a byte of the entries
		t.Fatal(err)
	}
	if _, _, _, err := growTable(f, 10<<30, 512, 1); !errors.Is(err, errNoTable) {
		t.Errorf("a damaged table: %v", err)
	}
	empty := table(t, 1<<20, 512)
	if err := empty.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := empty.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := growTable(empty, 1<<20, 512, 1); !errors.Is(err, errNoTable) {
		t.Errorf("no table: %v", err)
	}
}
