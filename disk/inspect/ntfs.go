package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"strings"

	"www.velocidex.com/golang/go-ntfs/parser"

	"slipway/disk/facts"
	"slipway/disk/regf"
)

const (
	pageSize  = 4096
	pageCount = 4096 // 16 MiB of cache a reader
	mftRoot   = 5
	mftBitmap = 6

	maxBitmap = 64 << 20 // bytes: a volume of 2 TiB
)

// ntfsVolume finds files of an NTFS volume in any case of letters. Directories
// are read once. Nothing follows links or junctions: a path that leads out of
// the volume does not exist.
type ntfsVolume struct {
	vol   *parser.NTFSContext
	start int64
	raw   io.ReaderAt
	dirs  map[int64]map[string]ntfsEntry
}

type ntfsEntry struct {
	name string // as it is written
	ref  int64
}

func openNTFS(disk io.ReaderAt, p facts.Partition) (*ntfsVolume, error) {
	// The section starts at the volume: with an offset instead, this library
	// fails on volumes behind the first ones.
	raw := io.NewSectionReader(disk, p.StartBytes, p.SizeBytes)
	pages, err := parser.NewPagedReader(raw, pageSize, pageCount)
	if err != nil {
		return nil, err
	}
	vol, err := parser.GetNTFSContext(pages, 0)
	if err != nil {
		return nil, err
	}
	return &ntfsVolume{vol: vol, start: p.StartBytes, raw: raw, dirs: map[int64]map[string]ntfsEntry{}}, nil
}

// list gives the entries of a directory by their names in lower case.
func (v *ntfsVolume) list(ref int64) (map[string]ntfsEntry, error) {
	if m, ok := v.dirs[ref]; ok {
		return m, nil
	}
	dir, err := v.vol.GetMFT(ref)
	if err != nil {
		return nil, err
	}
	m := map[string]ntfsEntry{}
	for _, e := range dir.Dir(v.vol) {
		if len(m) == maxEntries {
			return nil, errors.New("a directory has too many files")
		}
		n := e.File().Name()
		m[strings.ToLower(n)] = ntfsEntry{n, int64(e.MftReference())}
	}
	v.dirs[ref] = m
	return m, nil
}

// find gives the record of a path; fs.ErrNotExist when it is not there.
func (v *ntfsVolume) find(path string) (int64, error) {
	at := int64(mftRoot)
	for step := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		m, err := v.list(at)
		if err != nil {
			return 0, err
		}
		e, ok := m[strings.ToLower(step)]
		if !ok {
			return 0, fs.ErrNotExist
		}
		at = e.ref
	}
	return at, nil
}

func (v *ntfsVolume) exists(path string) bool {
	_, err := v.find(path)
	return err == nil
}

// names lists a directory; nothing when it cannot be read.
func (v *ntfsVolume) names(path string) (out []string) {
	ref, err := v.find(path)
	if err != nil {
		return nil
	}
	m, err := v.list(ref)
	if err != nil {
		return nil
	}
	for _, e := range m {
		if e.name != "." && e.name != ".." {
			out = append(out, e.name)
		}
	}
	return out
}

// open gives the content of a file and its size.
func (v *ntfsVolume) open(path string) (io.ReaderAt, int64, error) {
	ref, err := v.find(path)
	if err != nil {
		return nil, 0, err
	}
	return v.stream(ref)
}

func (v *ntfsVolume) stream(ref int64) (io.ReaderAt, int64, error) {
	e, err := v.vol.GetMFT(ref)
	if err != nil {
		return nil, 0, err
	}
	data, err := parser.OpenStream(v.vol, e, 128, parser.WILDCARD_STREAM_ID, parser.WILDCARD_STREAM_NAME) // 128: $DATA
	if err != nil {
		return nil, 0, err
	}
	return data, parser.RangeSize(data), nil
}

func (v *ntfsVolume) hive(path, name string) (*regf.Hive, error) {
	data, _, err := v.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the registry hive %s is missing", name)
	}
	if err != nil {
		return nil, fmt.Errorf("the registry hive %s: %w", name, err)
	}
	pages, err := parser.NewPagedReader(data, pageSize, pageCount)
	if err != nil {
		return nil, err
	}
	h, err := regf.Open(pages)
	if err != nil {
		return nil, fmt.Errorf("the registry hive %s: %w", name, err)
	}
	return h, nil
}

// free counts the bytes of clusters that no file uses.
func (v *ntfsVolume) free() (int64, error) {
	boot := make([]byte, 48)
	if _, err := v.raw.ReadAt(boot, 0); err != nil {
		return 0, err
	}
	sector, per := int64(le.Uint16(boot[11:])), int64(boot[13])
	if per > 128 { // large clusters are a negative power of two
		per = 1 << min(256-per, 16)
	}
	if sector < 512 || sector > 4096 || per == 0 {
		return 0, errDamaged
	}
	clusters := int64(le.Uint64(boot[40:])) / per
	need := (clusters + 7) / 8
	if clusters < 0 || need > maxBitmap {
		return 0, errors.New("the volume is too large to count")
	}
	data, _, err := v.stream(mftBitmap)
	if err != nil {
		return 0, err
	}
	used, buf := int64(0), make([]byte, 1<<20)
	for at := int64(0); at < need; {
		b := buf[:min(int64(len(buf)), need-at)]
		n, err := data.ReadAt(b, at)
		if n == 0 {
			return 0, errors.Join(err, errDamaged)
		}
		b = b[:n]
		if at += int64(n); at >= need && clusters%8 != 0 {
			b[n-1] &= 1<<(clusters%8) - 1 // behind the last cluster
		}
		for ; len(b) >= 8; b = b[8:] {
			used += int64(bits.OnesCount64(le.Uint64(b)))
		}
		for _, c := range b {
			used += int64(bits.OnesCount8(c))
		}
	}
	return (clusters - used) * sector * per, nil
}
