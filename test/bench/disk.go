package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"slipway/disk"
	"slipway/disk/fixture"
	"slipway/disk/inspect"
)

// inspectGoal includes the start of the worker process.
const inspectGoal = 50 * time.Millisecond

// inspections measures how long the inspection of a disk of 30 GiB takes, worker
// and all, with the disk's structures in the page cache.
func (b *bench) inspections() error {
	b.table.head("Inspection of a disk of 30 GiB, with the start of its worker process; median of %d", 10*b.rounds+1)
	for _, k := range []fixture.Kind{fixture.WindowsServer2022, fixture.Ubuntu2404} {
		raw := filepath.Join(b.dir, "inspect.raw")
		if err := fixture.Make(b.ctx, k, raw, fixture.Options{SizeBytes: 30 << 30}); err != nil {
			return err
		}
		var all []time.Duration
		for range 10*b.rounds + 1 {
			begun := time.Now()
			f, err := inspect.Inspect(b.ctx, b.bin, raw)
			if err != nil || len(f.Problems) > 0 {
				return fmt.Errorf("%s: %w %q", k, err, f.Problems)
			}
			all = append(all, time.Since(begun))
		}
		t := median(all)
		b.table.add(string(k), ms(t), "< 50 ms", t < inspectGoal)
		if err := os.Remove(raw); err != nil {
			return err
		}
	}
	return nil
}

// seals measures the store alone: every block of 1 GiB checked against its
// checksum, written, sealed and durable; against sha256sum of the same bytes,
// which reads and hashes them once, on one processor, and writes nothing.
func (b *bench) seals() error {
	raw := filepath.Join(b.dir, "seal.raw")
	if err := makeDisk(raw, data); err != nil {
		return err
	}
	defer os.Remove(raw)
	store, err := disk.Open(filepath.Join(b.dir, "seal-store"))
	if err != nil {
		return err
	}
	var sums, all, alone []time.Duration
	for n := range b.rounds {
		if err := change(raw, n); err != nil {
			return err
		}
		took, _, err := b.timed("sha256sum", raw)
		if err != nil {
			return err
		}
		sums = append(sums, took)
		whole, seal, err := b.seal(store, raw, fmt.Sprint("seal-", n))
		if err != nil {
			return err
		}
		all, alone = append(all, whole), append(alone, seal)
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%s, %.0f MB/s", ms(d), data/1e6/d.Seconds()) }
	s, a, l := median(sums), median(all), median(alone)
	b.table.head("Sealing 1 GiB; median of %d rounds, each on fresh content, source in the page cache", b.rounds)
	b.table.add("sha256sum of the same data", rate(s), "", true)
	b.table.add("blocks checked, written, sealed, durable", rate(a), "", true)
	b.table.add("  against sha256sum", times(ratio(a, s)), "", true)
	b.table.add("  of that, the seal after the last block", rate(l), "", true)
	return nil
}

// seal puts blocks as requests do, several at once, each with the checksum that
// its client has sent with it.
func (b *bench) seal(store *disk.Store, raw, id string) (whole, alone time.Duration, err error) {
	in, err := os.Open(raw)
	if err != nil {
		return 0, 0, err
	}
	defer in.Close()
	const blocks = data / disk.BlockSize
	sums, block := make([][32]byte, blocks), make([]byte, disk.BlockSize)
	for i := range sums {
		if _, err := in.ReadAt(block, int64(i)*disk.BlockSize); err != nil {
			return 0, 0, err
		}
		sums[i] = sha256.Sum256(block)
	}
	begun := time.Now()
	if err := store.CreateUpload(b.ctx, id, blocks); err != nil {
		return 0, 0, err
	}
	const clients = 4
	errs := make([]error, clients)
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			block := make([]byte, disk.BlockSize)
			for i := int64(c); i < blocks && errs[c] == nil; i += clients {
				if _, errs[c] = in.ReadAt(block, i*disk.BlockSize); errs[c] == nil {
					errs[c] = store.PutBlock(b.ctx, id, i, block, sums[i])
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, 0, err
	}
	last := time.Now()
	d, err := store.Seal(b.ctx, id, nil)
	if err != nil {
		return 0, 0, err
	}
	whole, alone = time.Since(begun), time.Since(last)
	return whole, alone, errors.Join(store.DropUpload(b.ctx, id), store.Remove(b.ctx, d.Digest))
}
