package service

import (
	"context"
	"crypto/sha256"
	"strconv"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// SnapshotSpec is what StartSnapshot asks for.
type SnapshotSpec struct {
	SizeGiB     int64
	Description string
	ClientToken string
	Parent      string
	Encrypted   bool
	Tags        domain.Tags
}

// MaxVolumeGiB bounds a snapshot's volume (EBS direct APIs: 64 TiB).
const MaxVolumeGiB = 65536

// StartSnapshot opens an upload. The same ClientToken gives the same snapshot
// back; with other parameters it is fault.BadCombination.
func (s *Service) StartSnapshot(ctx context.Context, c domain.Caller, spec SnapshotSpec) (*domain.Snapshot, error) {
	switch {
	case spec.SizeGiB < 1 || spec.SizeGiB > MaxVolumeGiB:
		return nil, fault.New(fault.BadValue, "VolumeSize must be between 1 and %d GiB.", MaxVolumeGiB).WithCode("INVALID_VOLUME_SIZE")
	case spec.Encrypted:
		return nil, fault.New(fault.BadValue, "Encrypted snapshots are not supported.").
			WithHint("Leave Encrypted out; imports refuse encrypted AMIs in any case.").WithCode("INVALID_PARAMETER_VALUE")
	case spec.Parent != "":
		return nil, fault.New(fault.BadValue, "Snapshots with a parent are not supported.").
			WithHint("Upload the whole disk; blocks of zeros need not be sent.").WithCode("INVALID_DEPENDENCY_REQUEST")
	}
	snap := &domain.Snapshot{SizeGiB: spec.SizeGiB, Description: spec.Description, ClientToken: spec.ClientToken, Tags: spec.Tags}
	fresh := true
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if spec.ClientToken != "" {
			old, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot, Account: c.Account, Region: c.Region, Alias: spec.ClientToken})
			if err != nil {
				return err
			}
			if len(old) > 0 {
				if old[0].SizeGiB != spec.SizeGiB || old[0].Description != spec.Description {
					return fault.New(fault.BadCombination, "ClientToken %s was used with other parameters.", spec.ClientToken)
				}
				snap, fresh = old[0], false
				return nil
			}
		}
		if err := roomFor(tx, c.Scope(), domain.KindSnapshot, domain.QuotaSnapshots, "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"); err != nil {
			return err
		}
		snap.Key = c.Key(domain.KindSnapshot, s.IDs.Snapshot())
		return tx.Insert(snap)
	})
	if err != nil {
		return nil, err
	}
	if fresh || snap.State == domain.SnapshotPending {
		if err := s.Blocks.CreateUpload(ctx, snap.Key.Name, blocksOf(snap.SizeGiB)); err != nil {
			if fresh {
				err = joinFault(err, s.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(snap.Key) }))
			}
			return nil, err
		}
	}
	return snap, nil
}

// joinFault keeps the first error's meaning; the second is only logged with it.
func joinFault(err, also error) error {
	if also == nil {
		return err
	}
	return fault.Wrap(fault.KindOf(err), also, "%s", fault.Public(err))
}

// PutBlock stores one block of a pending snapshot.
func (s *Service) PutBlock(ctx context.Context, c domain.Caller, id string, index int64, data []byte, sum [32]byte) error {
	snap, err := s.Snapshot(ctx, c, id)
	if err != nil {
		return err
	}
	if snap.State != domain.SnapshotPending {
		return fault.New(fault.WrongState, "Snapshot %s is %s and takes no more blocks.", id, PublicSnapshotState(snap.State)).WithCode("INVALID_SNAPSHOT_ID")
	}
	if index < 0 || index >= blocksOf(snap.SizeGiB) {
		return fault.New(fault.BadValue, "BlockIndex %d is outside of the %d GiB volume.", index, snap.SizeGiB).WithCode("INVALID_BLOCK")
	}
	if len(data) != BlockBytes {
		return fault.New(fault.BadValue, "A block is %d bytes; %d were sent.", BlockBytes, len(data)).WithCode("INVALID_BLOCK")
	}
	err = s.Blocks.PutBlock(ctx, id, index, data, sum)
	if fault.Is(err, fault.NotFound) {
		// The row was committed and we were stopped before room was made.
		if err = s.Blocks.CreateUpload(ctx, id, blocksOf(snap.SizeGiB)); err == nil {
			err = s.Blocks.PutBlock(ctx, id, index, data, sum)
		}
	}
	return err
}

// CompleteSnapshot says that all blocks are there; sealing goes on behind. sum,
// where it is given, is the SHA-256 over the SHA-256s of the blocks that were
// written, in order of index; when it is not that of the blocks that arrived,
// nothing is done and blocks can be sent again.
func (s *Service) CompleteSnapshot(ctx context.Context, c domain.Caller, id string, blocks int64, sum *[32]byte) (*domain.Snapshot, error) {
	snap, err := s.Snapshot(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if snap.State == domain.SnapshotPending {
		have, err := s.Blocks.Present(id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
		if have != blocks {
			return nil, fault.New(fault.BadValue, "ChangedBlocksCount is %d but %d blocks were received.", blocks, have).
				WithHint("Send the missing blocks again, then complete the snapshot.").WithCode("INVALID_PARAMETER_VALUE")
		}
		if err := s.checkSum(ctx, id, blocks, sum); err != nil {
			return nil, err
		}
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Get(snap.Key, snap); err != nil {
			return err
		}
		snap.Blocks = blocks
		v, err := tx.Move(snap.Key, domain.SnapshotAskComplete, "", snap)
		if err != nil || v == domain.Ignore {
			return err
		}
		return s.enqueue(tx, domain.FlowSnapshotSeal, snap.Key)
	})
	return snap, err
}

func (s *Service) checkSum(ctx context.Context, id string, blocks int64, want *[32]byte) error {
	if want == nil {
		return nil
	}
	have := sha256.Sum256(nil) // of no blocks: the upload may not exist
	if blocks > 0 {
		var err error
		if have, err = s.Blocks.Checksum(ctx, id); err != nil {
			return err
		}
	}
	if have != *want {
		return fault.New(fault.BadValue, "The checksum does not match that of the %d blocks that were received.", blocks).
			WithHint("It is SHA-256 over the SHA-256s of all blocks sent, 32 bytes each, in order of BlockIndex. Nothing was changed: send the blocks that differ again, then complete the snapshot.").
			WithCode("INVALID_PARAMETER_VALUE")
	}
	return nil
}

// Snapshot finds one of the caller's snapshots.
func (s *Service) Snapshot(ctx context.Context, c domain.Caller, id string) (*domain.Snapshot, error) {
	snap := new(domain.Snapshot)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(c.Key(domain.KindSnapshot, id), snap) })
	if fault.Is(err, fault.NotFound) {
		return nil, noID(domain.KindSnapshot, id)
	}
	return snap, err
}

// PublicSnapshotState is the word clients know for a state of ours.
func PublicSnapshotState(st domain.State) string {
	if st == domain.SnapshotSealing {
		return string(domain.SnapshotPending)
	}
	return string(st)
}

// BlockList is a page of a snapshot's blocks.
type BlockList struct {
	Snapshot *domain.Snapshot
	Indexes  []int64
	Next     int64 // index to go on from; -1 at the end
	Expires  time.Time
}

// ListBlocks lists blocks that hold data, from the index given.
func (s *Service) ListBlocks(ctx context.Context, c domain.Caller, id string, from int64, max int) (*BlockList, error) {
	snap, err := s.sealed(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if from < 0 || from > blocksOf(snap.SizeGiB) {
		return nil, fault.New(fault.BadValue, "StartingBlockIndex %d is outside of the volume.", from).WithCode("INVALID_PARAMETER_VALUE")
	}
	idx, err := s.Blocks.DataBlocks(snap.Disk, from, max+1)
	if err != nil {
		return nil, err
	}
	l := &BlockList{Snapshot: snap, Indexes: idx, Next: -1}
	if len(idx) > max {
		l.Indexes, l.Next = idx[:max], idx[max]
	}
	return l, s.Store.View(ctx, func(tx store.Tx) error { l.Expires = tx.Now().Add(7 * 24 * time.Hour); return nil })
}

// ReadBlock reads one block of a completed snapshot.
func (s *Service) ReadBlock(ctx context.Context, c domain.Caller, id string, index int64) ([]byte, [32]byte, error) {
	snap, err := s.sealed(ctx, c, id)
	if err != nil {
		return nil, [32]byte{}, err
	}
	if index < 0 || index >= blocksOf(snap.SizeGiB) {
		return nil, [32]byte{}, fault.New(fault.BadValue, "BlockIndex %s is outside of the volume.", strconv.FormatInt(index, 10)).WithCode("INVALID_BLOCK")
	}
	return s.Blocks.ReadBlock(ctx, snap.Disk, index)
}

// sealed finds a completed snapshot whose blocks the caller may read.
func (s *Service) sealed(ctx context.Context, c domain.Caller, id string) (*domain.Snapshot, error) {
	var snap *domain.Snapshot
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		snap, err = visibleSnapshot(tx, c, id)
		return err
	})
	if err == nil && snap.State != domain.SnapshotCompleted {
		return nil, fault.New(fault.WrongState, "Snapshot %s is %s; its blocks can be read when it is completed.", id, PublicSnapshotState(snap.State)).WithCode("INVALID_SNAPSHOT_ID")
	}
	return snap, err
}
