package disk

import (
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"

	"slipway/fault"
)

// sealOf makes a sealed disk with these blocks, filled with a byte each.
func sealOf(t testing.TB, s *Store, id string, blocks int64, fill map[int64]byte) Sealed {
	t.Helper()
	if err := s.CreateUpload(t.Context(), id, blocks); err != nil {
		t.Fatal(err)
	}
	for i, f := range fill {
		b, sum := testBlock(f)
		if err := s.PutBlock(t.Context(), id, i, b, sum); err != nil {
			t.Fatal(err)
		}
	}
	d, err := s.Seal(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropUpload(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return d
}

// What ChangedBlocks tells is what a comparison of all blocks tells, from any
// place and in pages of any length.
func TestChangedBlocks(t *testing.T) {
	s, r := dying(t, t.TempDir(), ""), rand.New(rand.NewPCG(1, 2))
	const blocks = 5000
	a, b := map[int64]byte{}, map[int64]byte{}
	for range 40 {
		i := r.Int64N(blocks)
		switch r.IntN(4) {
		case 0:
			a[i] = 1
		case 1:
			b[i] = 1
		case 2:
			a[i], b[i] = 1, 2
		case 3:
			a[i], b[i] = 3, 3
		}
	}
	a[blocks-1], b[0] = 9, 9
	x, y := sealOf(t, s, "a", blocks, a), sealOf(t, s, "b", blocks, b)
	var want []Change
	for i := range int64(blocks) {
		if a[i] != b[i] {
			want = append(want, Change{i, a[i] != 0, b[i] != 0})
		}
	}
	for _, page := range []int{1, 3, 100, 10000} {
		var got []Change
		for from := int64(0); ; {
			l, err := s.ChangedBlocks(x.Digest, y.Digest, from, page)
			must(t, err)
			if len(l) == 0 {
				break
			}
			got = append(got, l...)
			from = l[len(l)-1].Index + 1
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v\nwant %v", page, got, want)
		}
	}
	if l, err := s.ChangedBlocks(x.Digest, x.Digest, 0, 10); err != nil || len(l) != 0 {
		t.Errorf("a disk and itself: %v %v", l, err)
	}
	small := sealOf(t, s, "c", 4, nil)
	if _, err := s.ChangedBlocks(x.Digest, small.Digest, 0, 10); !fault.Is(err, fault.BadCombination) {
		t.Errorf("two sizes: %v", err)
	}
	if _, err := s.ChangedBlocks(x.Digest, Digest{}, 0, 10); !fault.Is(err, fault.NotFound) {
		t.Errorf("a disk that is not there: %v", err)
	}
}

func TestChecksum(t *testing.T) {
	s := dying(t, t.TempDir(), "")
	must(t, s.CreateUpload(t.Context(), "u", 16))
	h := sha256.New()
	for _, i := range []int64{9, 2, 4} {
		put(t, s, "u", i, byte(i-2)) // block 2 is all zeros and counts
	}
	for _, i := range []int64{2, 4, 9} {
		_, sum := testBlock(byte(i - 2))
		h.Write(sum[:])
	}
	got, err := s.Checksum(t.Context(), "u")
	if want := [32]byte(h.Sum(nil)); err != nil || got != want {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
	if _, err := s.Checksum(t.Context(), "v"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no upload: %v", err)
	}
	_, err = s.Seal(t.Context(), "u", nil)
	must(t, err)
	if _, err := s.Checksum(t.Context(), "u"); !fault.Is(err, fault.WrongState) {
		t.Errorf("a sealed one: %v", err)
	}
}

// Two disks of 100 GiB with little on them are compared without looking at what
// is not there.
func BenchmarkChangedBlocks(b *testing.B) {
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	const blocks = 100 << 30 / BlockSize
	x := sealOf(b, s, "a", blocks, map[int64]byte{0: 1, 1000: 2, blocks - 1: 3})
	y := sealOf(b, s, "b", blocks, map[int64]byte{0: 1, 1000: 4, 70000: 5, blocks - 1: 3})
	for b.Loop() {
		if l, err := s.ChangedBlocks(x.Digest, y.Digest, 0, 10000); err != nil || len(l) != 2 {
			b.Fatal(l, err)
		}
	}
}
