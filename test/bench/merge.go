package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/disk"
)

// mergeGoal is what the disk of an image made on a builder may cost, hashed and
// durable, in conversions of the same overlay by qemu-img.
const mergeGoal = 1.0

// volumeBytes is the size of a builder's root volume.
const volumeBytes = 200 << 30

// cloneGoal is what the layer of a new image builder may take to make, whatever
// the size of the disk.
const cloneGoal = 50 * time.Millisecond

// clones measures the layer that an image builder writes into, over a sealed disk.
func (b *bench) clones(s *disk.Store) error {
	b.table.head("A disk of its own for an image builder, over an image's; median of %d", b.rounds)
	for _, gib := range []int64{1, 100} {
		base, err := b.sealedBase(s, gib<<30)
		if err != nil {
			return err
		}
		var took []time.Duration
		for range b.rounds {
			begun := time.Now()
			if _, err := s.CreateOverlay(b.ctx, "clone", base, gib<<30); err != nil {
				return err
			}
			took = append(took, time.Since(begun))
			if err := s.RemoveOverlay(b.ctx, "clone"); err != nil {
				return err
			}
		}
		m := median(took)
		b.table.add(fmt.Sprintf("of %d GiB", gib), finely(m), "< 50 ms", m < cloneGoal)
	}
	return nil
}

// merges measures how what was changed in an image builder becomes a disk of its
// own: a hundred megabytes in a volume of 200 GiB.
func (b *bench) merges() (err error) {
	dir := filepath.Join(b.dir, "merge")
	s, err := disk.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	base, err := b.sealedBase(s, virtual)
	if err != nil {
		return err
	}
	if err := b.clones(s); err != nil {
		return err
	}
	overlay, err := s.CreateOverlay(b.ctx, "o", base, volumeBytes)
	if err != nil {
		return err
	}
	image := fmt.Sprintf("driver=qcow2,file.filename=%s,backing.driver=raw,backing.file.filename=%s", overlay, s.Path(base))
	if _, _, err := b.timed("qemu-io", "--image-opts", image, "-c", "write -P 0x77 100M 64M", "-c", "write -P 0x78 150G 36M", "-c", "write -z 10M 4M"); err != nil {
		return err
	}
	var ours, theirs []time.Duration
	for range b.rounds {
		took, err := b.merged(s)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		out := filepath.Join(dir, "plain.raw")
		took, _, err = b.timed("qemu-img", "convert", "--image-opts", image, "-O", "raw", out)
		if err != nil {
			return err
		}
		flush, err := fsync(out)
		if err != nil {
			return err
		}
		theirs = append(theirs, took+flush)
		if err := os.Remove(out); err != nil {
			return err
		}
	}
	a, p := median(ours), median(theirs)
	b.table.head("100 MB changed in an image builder of 200 GiB become a disk; ours hashed; median of %d rounds", b.rounds)
	b.table.add("by qemu-img convert and fsync", ms(p), "", true)
	b.table.add("by slipway, sealed", ms(a), "", true)
	b.table.add("  against that", times(ratio(a, p)), fmt.Sprintf("≤ %.0f ×", mergeGoal), ratio(a, p) <= mergeGoal)
	return nil
}

// sealedBase makes a sealed disk of a size, with what others are measured with in it.
func (b *bench) sealedBase(s *disk.Store, size int64) (disk.Digest, error) {
	raw := filepath.Join(b.dir, "merge.raw")
	if err := makeDisk(raw, size); err != nil {
		return disk.Digest{}, err
	}
	defer os.Remove(raw)
	f, err := disk.OpenSparse(raw)
	if err != nil {
		return disk.Digest{}, err
	}
	defer f.Close()
	if err := s.CreateUpload(b.ctx, "base", f.Size()/disk.BlockSize); err != nil {
		return disk.Digest{}, err
	}
	_, err = disk.Sum(b.ctx, f, f.Size(), func(i int64, block []byte, sum [32]byte) error { return s.PutBlock(b.ctx, "base", i, block, sum) })
	if err != nil {
		return disk.Digest{}, err
	}
	sealed, err := s.Seal(b.ctx, "base", nil)
	return sealed.Digest, errors.Join(err, s.DropUpload(b.ctx, "base"))
}

func (b *bench) merged(s *disk.Store) (time.Duration, error) {
	begun := time.Now()
	err := s.CreateUpload(b.ctx, "u", volumeBytes/disk.BlockSize)
	if err == nil {
		err = s.FillFromOverlay(b.ctx, "u", "o", nil)
	}
	if err != nil {
		return 0, err
	}
	sealed, err := s.Seal(b.ctx, "u", nil)
	took := time.Since(begun)
	return took, errors.Join(err, s.DropUpload(b.ctx, "u"), s.Remove(b.ctx, sealed.Digest))
}
