// Package disktest is the contract of a block store, as a test suite: what
// every caller of disk.Store may rely on, and what a stand-in for it in other
// rooms' tests has to do too. Nothing that looks behind the interface may live
// here; crash points are in package disk's own tests.
package disktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"slipway/disk"
	"slipway/fault"
)

// Store is the surface under contract, see the methods of disk.Store.
type Store interface {
	CreateUpload(ctx context.Context, id string, blocks int64) error
	PutBlock(ctx context.Context, id string, index int64, data []byte, sum [32]byte) error
	Upload(id string) (disk.UploadInfo, error)
	Seal(ctx context.Context, id string, progress func(done, total int64)) (disk.Sealed, error)
	DropUpload(ctx context.Context, id string) error
	Stat(d disk.Digest) (disk.Sealed, error)
	ReadBlock(ctx context.Context, d disk.Digest, index int64) ([]byte, [32]byte, error)
	DataBlocks(d disk.Digest, from int64, max int) ([]int64, error)
	Verify(ctx context.Context, d disk.Digest, progress func(done, total int64)) error
	Remove(ctx context.Context, d disk.Digest) error
	Sealed() ([]disk.Digest, error)
	Uploads() ([]string, error)
	Overlays() ([]string, error)
	CreateOverlay(ctx context.Context, id string, base disk.Digest, sizeBytes int64) (string, error)
	RemoveOverlay(ctx context.Context, id string) error
}

// Block makes a block of pseudo-random bytes; seed 0 is the block of zeros.
func Block(seed uint64) ([]byte, [32]byte) {
	b := make([]byte, disk.BlockSize)
	if seed != 0 {
		var key [32]byte
		key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
		rand.NewChaCha8(key).Read(b)
	}
	return b, sha256.Sum256(b)
}

// Put stores Block(seed) and fails the test when that fails.
func Put(t testing.TB, s Store, id string, index int64, seed uint64) {
	t.Helper()
	b, sum := Block(seed)
	if err := s.PutBlock(t.Context(), id, index, b, sum); err != nil {
		t.Fatalf("put block %d of %s: %v", index, id, err)
	}
}

// SealOf uploads the blocks (seed by index) and seals them.
func SealOf(t testing.TB, s Store, id string, blocks int64, seeds map[int64]uint64) disk.Sealed {
	t.Helper()
	if err := s.CreateUpload(t.Context(), id, blocks); err != nil {
		t.Fatal(err)
	}
	for i, seed := range seeds {
		Put(t, s, id, i, seed)
	}
	d, err := s.Seal(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Run runs the suite; open gives an empty store.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, c := range []struct {
		name string
		fn   func(*testing.T, Store)
	}{
		{"life", life}, {"refusals", refusals}, {"repeats", repeats}, {"last write wins", lastWins},
		{"identical content", identical}, {"digest", digests}, {"paging", paging},
		{"pins", pins}, {"overlays", overlays}, {"concurrent puts", concurrent},
		{"concurrent seals", concurrentSeals}, {"cancelled", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.fn(t, open(t)) })
	}
}

func want(t *testing.T, err error, k fault.Kind, what string) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Errorf("%s: got %v, want kind %s", what, err, k)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func life(t *testing.T, s Store) {
	ctx := t.Context()
	ok(t, s.CreateUpload(ctx, "snap-1", 10))
	Put(t, s, "snap-1", 7, 7)
	Put(t, s, "snap-1", 0, 1)
	Put(t, s, "snap-1", 3, 0)
	if in, err := s.Upload("snap-1"); err != nil || in.Blocks != 10 || in.Present != 3 || !in.Sealed.IsZero() {
		t.Errorf("upload is %+v, %v", in, err)
	}
	var last [2]int64
	d, err := s.Seal(ctx, "snap-1", func(done, total int64) { last = [2]int64{done, total} })
	ok(t, err)
	if d.SizeBytes != 10*disk.BlockSize || d.DataBytes != 2*disk.BlockSize || last != [2]int64{d.DataBytes, d.DataBytes} {
		t.Errorf("sealed %+v, progress ended at %v", d, last)
	}
	if got, err := s.Stat(d.Digest); err != nil || got != d {
		t.Errorf("stat says %+v, %v; seal said %+v", got, err, d)
	}
	for i := range int64(10) {
		seed := map[int64]uint64{0: 1, 7: 7}[i]
		wantData, wantSum := Block(seed)
		data, sum, err := s.ReadBlock(ctx, d.Digest, i)
		if err != nil || sum != wantSum || !bytes.Equal(data, wantData) {
			t.Errorf("block %d reads wrong: %v", i, err)
		}
	}
	ok(t, s.Verify(ctx, d.Digest, nil))
	ok(t, s.DropUpload(ctx, "snap-1"))
	ok(t, s.DropUpload(ctx, "snap-1"))
	_, err = s.Upload("snap-1")
	want(t, err, fault.NotFound, "a dropped upload")
	if ds, err := s.Sealed(); err != nil || len(ds) != 1 || ds[0] != d.Digest {
		t.Errorf("sealed disks are %v, %v", ds, err)
	}
	ok(t, s.Remove(ctx, d.Digest))
	ok(t, s.Remove(ctx, d.Digest))
	_, err = s.Stat(d.Digest)
	want(t, err, fault.NotFound, "a removed disk")
	ids, err := s.Uploads()
	if err != nil || len(ids) != 0 {
		t.Errorf("uploads left: %v, %v", ids, err)
	}
}

func refusals(t *testing.T, s Store) {
	ctx := t.Context()
	b, sum := Block(5)
	for _, id := range []string{"", "..", "a/b", "A", "-x", "a_b", "a.b"} {
		want(t, s.CreateUpload(ctx, id, 1), fault.BadValue, "the id "+id)
		want(t, s.DropUpload(ctx, id), fault.BadValue, "dropping "+id)
	}
	want(t, s.CreateUpload(ctx, "u", 0), fault.BadValue, "no blocks")
	want(t, s.CreateUpload(ctx, "u", -1), fault.BadValue, "negative blocks")
	want(t, s.CreateUpload(ctx, "u", disk.MaxBlocks+1), fault.BadValue, "too many blocks")
	want(t, s.PutBlock(ctx, "u", 0, b, sum), fault.NotFound, "a block for no upload")
	_, err := s.Seal(ctx, "u", nil)
	want(t, err, fault.NotFound, "sealing nothing")
	ok(t, s.CreateUpload(ctx, "u", 2))
	want(t, s.CreateUpload(ctx, "u", 3), fault.Exists, "another size")
	want(t, s.PutBlock(ctx, "u", 2, b, sum), fault.BadValue, "an index behind the end")
	want(t, s.PutBlock(ctx, "u", -1, b, sum), fault.BadValue, "a negative index")
	want(t, s.PutBlock(ctx, "u", 0, b[1:], sum), fault.BadValue, "a short block")
	sum[0]++
	want(t, s.PutBlock(ctx, "u", 0, b, sum), fault.BadValue, "a wrong checksum")
	z, _ := Block(0)
	want(t, s.PutBlock(ctx, "u", 0, z, sum), fault.BadValue, "a wrong checksum of zeros")
	if in, _ := s.Upload("u"); in.Present != 0 {
		t.Errorf("refused blocks count: %+v", in)
	}
	d, err := s.Seal(ctx, "u", nil)
	ok(t, err)
	_, sum = Block(5)
	want(t, s.PutBlock(ctx, "u", 0, b, sum), fault.WrongState, "a block after the seal")
	_, _, err = s.ReadBlock(ctx, d.Digest, 2)
	want(t, err, fault.BadValue, "reading behind the end")
	_, _, err = s.ReadBlock(ctx, d.Digest, -1)
	want(t, err, fault.BadValue, "reading before the start")
	none := disk.Digest{1}
	_, _, err = s.ReadBlock(ctx, none, 0)
	want(t, err, fault.NotFound, "reading an unknown disk")
	_, err = s.DataBlocks(none, 0, 1)
	want(t, err, fault.NotFound, "listing an unknown disk")
	want(t, s.Verify(ctx, none, nil), fault.NotFound, "verifying an unknown disk")
	_, err = s.CreateOverlay(ctx, "o", none, 0)
	want(t, err, fault.NotFound, "an overlay over an unknown disk")
	_, err = s.CreateOverlay(ctx, "o", d.Digest, 512)
	want(t, err, fault.BadValue, "an overlay smaller than its base")
}

func repeats(t *testing.T, s Store) {
	ctx := t.Context()
	for range 2 {
		ok(t, s.CreateUpload(ctx, "u", 4))
		Put(t, s, "u", 1, 9)
		Put(t, s, "u", 2, 0)
	}
	if in, _ := s.Upload("u"); in.Present != 2 {
		t.Errorf("repeated blocks count twice: %+v", in)
	}
	first, err := s.Seal(ctx, "u", nil)
	ok(t, err)
	again, err := s.Seal(ctx, "u", nil)
	if err != nil || again != first {
		t.Errorf("the second seal says %+v, %v; the first %+v", again, err, first)
	}
	ok(t, s.CreateUpload(ctx, "u", 4))
	if in, err := s.Upload("u"); err != nil || in.Present != 2 || in.Sealed != first.Digest {
		t.Errorf("after the seal: %+v, %v", in, err)
	}
}

func lastWins(t *testing.T, s Store) {
	d := func(id string, seeds ...uint64) disk.Digest {
		ok(t, s.CreateUpload(t.Context(), id, 3))
		for _, seed := range seeds {
			Put(t, s, id, 1, seed)
		}
		x, err := s.Seal(t.Context(), id, nil)
		ok(t, err)
		return x.Digest
	}
	if d("a", 1, 2) != d("b", 2) {
		t.Error("an earlier write shows in the digest")
	}
	if d("c", 1, 0) != d("d") {
		t.Error("a zero block over data is not a hole")
	}
	if d("e", 0, 3) != d("f", 3) {
		t.Error("data over a zero block is lost")
	}
}

func identical(t *testing.T, s Store) {
	ctx := t.Context()
	a := SealOf(t, s, "a", 5, map[int64]uint64{1: 1, 4: 4})
	b := SealOf(t, s, "b", 5, map[int64]uint64{4: 4, 0: 0, 1: 1})
	if a != b {
		t.Fatalf("same content, two disks: %+v %+v", a, b)
	}
	if again, err := s.Seal(ctx, "b", nil); err != nil || again != a {
		t.Errorf("sealing again: %+v, %v", again, err)
	}
	ok(t, s.DropUpload(ctx, "a"))
	ok(t, s.DropUpload(ctx, "b"))
	ok(t, s.Verify(ctx, a.Digest, nil))
}

func digests(t *testing.T, s Store) {
	seen := map[disk.Digest]string{}
	for name, c := range map[string]struct {
		blocks int64
		seeds  map[int64]uint64
	}{
		"empty 1": {1, nil}, "empty 2": {2, nil}, "x at 0": {2, map[int64]uint64{0: 1}},
		"x at 1": {2, map[int64]uint64{1: 1}}, "xy": {2, map[int64]uint64{0: 1, 1: 2}}, "yx": {2, map[int64]uint64{0: 2, 1: 1}},
	} {
		id := fmt.Sprintf("u%d", len(seen))
		d := SealOf(t, s, id, c.blocks, c.seeds).Digest
		if o, dup := seen[d]; dup {
			t.Errorf("%s and %s have one digest", name, o)
		}
		seen[d] = name
		if p, err := disk.ParseDigest(d.String()); err != nil || p != d {
			t.Errorf("%s does not parse back: %v", d, err)
		}
	}
}

func paging(t *testing.T, s Store) {
	const blocks = 5000 // several reads of the leaf array
	seeds, all := map[int64]uint64{}, []int64{}
	for _, i := range []int64{0, 1, 2, 127, 128, 129, 2047, 2048, 4095, 4999} {
		seeds[i], all = 3, append(all, i)
	}
	seeds[500] = 0
	d := SealOf(t, s, "u", blocks, seeds)
	var got []int64
	for from := int64(0); ; {
		page, err := s.DataBlocks(d.Digest, from, 3)
		ok(t, err)
		got = append(got, page...)
		if len(page) < 3 {
			break
		}
		from = page[2] + 1
	}
	if fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("data blocks are %v, want %v", got, all)
	}
	if page, err := s.DataBlocks(d.Digest, blocks, 3); err != nil || len(page) != 0 {
		t.Errorf("behind the end: %v, %v", page, err)
	}
	_, err := s.DataBlocks(d.Digest, -1, 3)
	want(t, err, fault.BadValue, "a negative start")
}

func pins(t *testing.T, s Store) {
	ctx := t.Context()
	d := SealOf(t, s, "u", 2, map[int64]uint64{0: 1})
	want(t, s.Remove(ctx, d.Digest), fault.InUse, "removing a disk whose upload is not dropped")
	_, err := s.CreateOverlay(ctx, "o", d.Digest, 0)
	ok(t, err)
	ok(t, s.DropUpload(ctx, "u"))
	want(t, s.Remove(ctx, d.Digest), fault.InUse, "removing a disk under an overlay")
	ok(t, s.RemoveOverlay(ctx, "o"))
	ok(t, s.Remove(ctx, d.Digest))
}

func overlays(t *testing.T, s Store) {
	ctx := t.Context()
	d := SealOf(t, s, "u", 2, map[int64]uint64{0: 1})
	p, err := s.CreateOverlay(ctx, "vm-1", d.Digest, 0)
	ok(t, err)
	again, err := s.CreateOverlay(ctx, "vm-1", d.Digest, d.SizeBytes)
	if err != nil || again != p || p == "" {
		t.Errorf("again: %q, %v; first %q", again, err, p)
	}
	_, err = s.CreateOverlay(ctx, "vm-1", d.Digest, d.SizeBytes+512)
	want(t, err, fault.Exists, "the id with another size")
	if ids, err := s.Overlays(); err != nil || fmt.Sprint(ids) != "[vm-1]" {
		t.Errorf("overlays are %v, %v", ids, err)
	}
	ok(t, s.RemoveOverlay(ctx, "vm-1"))
	ok(t, s.RemoveOverlay(ctx, "vm-1"))
	if ids, _ := s.Overlays(); len(ids) != 0 {
		t.Errorf("overlays left: %v", ids)
	}
}

func concurrent(t *testing.T, s Store) {
	const blocks = 48
	ok(t, s.CreateUpload(t.Context(), "u", blocks))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range int64(blocks) {
				b, sum := Block(uint64(i % 5)) // four writers of the same block agree
				if err := s.PutBlock(t.Context(), "u", (i+int64(w)*12)%blocks, b, sum); err != nil {
					t.Errorf("put: %v", err)
				}
				if _, err := s.Upload("u"); err != nil {
					t.Errorf("upload: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if in, _ := s.Upload("u"); in.Present != blocks {
		t.Errorf("%d of %d blocks are present", in.Present, blocks)
	}
	d, err := s.Seal(t.Context(), "u", nil)
	ok(t, err)
	ok(t, s.Verify(t.Context(), d.Digest, nil))
}

func concurrentSeals(t *testing.T, s Store) {
	var wg sync.WaitGroup
	got := make([]disk.Sealed, 8)
	for _, id := range []string{"u0", "u1", "u2", "u3"} {
		ok(t, s.CreateUpload(t.Context(), id, 4))
		Put(t, s, id, 2, 8)
	}
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = s.Seal(t.Context(), fmt.Sprintf("u%d", i%4), nil); err != nil {
				t.Errorf("seal: %v", err)
			}
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] {
			t.Errorf("seals disagree: %v", got)
		}
	}
	if ds, _ := s.Sealed(); len(ds) != 1 {
		t.Errorf("%d disks for one content", len(ds))
	}
}

func cancelled(t *testing.T, s Store) {
	d := SealOf(t, s, "u", 2, map[int64]uint64{0: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, sum := Block(1)
	want(t, s.CreateUpload(ctx, "v", 1), fault.Canceled, "create")
	want(t, s.PutBlock(ctx, "u", 0, b, sum), fault.Canceled, "put")
	_, err := s.Seal(ctx, "u", nil)
	want(t, err, fault.Canceled, "seal")
	want(t, s.DropUpload(ctx, "u"), fault.Canceled, "drop")
	want(t, s.Remove(ctx, d.Digest), fault.Canceled, "remove")
	want(t, s.Verify(ctx, d.Digest, nil), fault.Canceled, "verify")
	_, _, err = s.ReadBlock(ctx, d.Digest, 0)
	want(t, err, fault.Canceled, "read")
}
