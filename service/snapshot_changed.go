package service

import (
	"context"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ChangeList is a page of the blocks in which two snapshots differ.
type ChangeList struct {
	Snapshot *domain.Snapshot // the second one
	Changes  []Change
	Next     int64 // index to go on from; -1 at the end
	Expires  time.Time
}

// ChangedBlocks lists the blocks in which the second snapshot differs from the
// first, from the index given. Without a first one, all blocks of the second
// that hold data. Snapshots carry no lineage here: any two of one size can be
// compared, and those of different sizes are unrelated.
func (s *Service) ChangedBlocks(ctx context.Context, c domain.Caller, first, second string, from int64, max int) (*ChangeList, error) {
	b, err := s.sealed(ctx, c, second)
	if err != nil {
		return nil, err
	}
	if from < 0 || from > blocksOf(b.SizeGiB) {
		return nil, fault.New(fault.BadValue, "StartingBlockIndex %d is outside of the volume.", from).WithCode("INVALID_PARAMETER_VALUE")
	}
	l := &ChangeList{Snapshot: b, Next: -1}
	if first == "" {
		l.Changes, err = s.allBlocks(b.Disk, from, max+1)
	} else {
		l.Changes, err = s.changes(ctx, c, first, b, from, max+1)
	}
	if err != nil {
		return nil, err
	}
	if len(l.Changes) > max {
		l.Changes, l.Next = l.Changes[:max], l.Changes[max].Index
	}
	return l, s.Store.View(ctx, func(tx store.Tx) error { l.Expires = tx.Now().Add(7 * 24 * time.Hour); return nil })
}

func (s *Service) allBlocks(digest string, from int64, max int) ([]Change, error) {
	idx, err := s.Blocks.DataBlocks(digest, from, max)
	out := make([]Change, len(idx))
	for i, n := range idx {
		out[i] = Change{Index: n, Second: true}
	}
	return out, err
}

func (s *Service) changes(ctx context.Context, c domain.Caller, first string, b *domain.Snapshot, from int64, max int) ([]Change, error) {
	a, err := s.sealed(ctx, c, first)
	if err != nil {
		return nil, err
	}
	if a.SizeGiB != b.SizeGiB {
		return nil, fault.New(fault.BadValue, "The snapshots %s (%d GiB) and %s (%d GiB) are not of one volume.", first, a.SizeGiB, b.Key.Name, b.SizeGiB).
			WithHint("Name two snapshots of one size.").WithCode("UNRELATED_SNAPSHOTS")
	}
	return s.Blocks.ChangedBlocks(a.Disk, b.Disk, from, max)
}
