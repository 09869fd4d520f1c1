package service

import (
	"context"
	"fmt"
	"maps"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// AMICopy is what EC2's CopyImage asks for, sent to the Region of the copy.
type AMICopy struct {
	Source       string
	SourceRegion string
	Name         string
	Description  string
	ClientToken  string
	CopyTags     bool
	Tags         domain.Tags // of the AMI
	SnapshotTags domain.Tags
	DryRun       bool
}

// CopyAMI makes an AMI and snapshots of its own of the same sealed disks. The
// same ClientToken gives the same AMI back.
func (s *Service) CopyAMI(ctx context.Context, c domain.Caller, in AMICopy) (*domain.AMI, error) {
	if err := checkAMIName(in.Name); err != nil {
		return nil, err
	}
	if err := checkRegion(c, in.SourceRegion); err != nil {
		return nil, err
	}
	from := c
	from.Region = in.SourceRegion
	var out *domain.AMI
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if out, err = copiedBefore(tx, c, in); err != nil || out != nil {
			return err
		}
		src, err := visibleAMI(tx, from, in.Source)
		if err != nil {
			return err
		}
		if err := freeAMIName(tx, c, in.Name); err != nil {
			return err
		}
		if err := roomFor(tx, c.Scope(), domain.KindAMI, domain.QuotaAMIs, "ResourceLimitExceeded"); err != nil {
			return err
		}
		out = src
		tags := maps.Clone(in.Tags)
		if in.CopyTags && src.Key.Account == c.Account {
			// Tags asked for win over the source's.
			tags = domain.Tags{}
			maps.Copy(tags, src.Tags)
			maps.Copy(tags, in.Tags)
		}
		out.SourceAMI, out.SourceRegion, out.ClientToken = in.Source, in.SourceRegion, in.ClientToken
		out.Label, out.Tags, out.Shared, out.Public = in.Name, tags, nil, false
		if in.Description != "" {
			out.Description = in.Description
		}
		for i := range out.Mappings {
			m := &out.Mappings[i]
			if m.SnapshotID == "" {
				continue
			}
			text := fmt.Sprintf("Copied for DestinationAmi from SourceAmi %s for SourceSnapshot %s.", in.Source, m.SnapshotID)
			snap, err := s.copySnapshot(tx, c, domain.Key{Scope: domain.Scope{Account: src.Key.Account, Region: in.SourceRegion}, Kind: domain.KindSnapshot, Name: m.SnapshotID}, text, in.SnapshotTags)
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.Unsupported, "The storage for the ami is not available in the source Region.").
					WithHint("The owner of the AMI must share its snapshot too, with createVolumePermission.").WithCode("InvalidRequest")
			} else if err != nil {
				return err
			}
			m.SnapshotID = snap.Key.Name
		}
		if in.DryRun {
			return errDryRun()
		}
		out.Meta = domain.Meta{Key: c.Key(domain.KindAMI, s.IDs.AMI())}
		return insertAMI(tx, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// copiedBefore finds the AMI that a repeated request made; nil for a new one.
func copiedBefore(tx store.Tx, c domain.Caller, in AMICopy) (*domain.AMI, error) {
	if in.ClientToken == "" {
		return nil, nil
	}
	all, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Account: c.Account, Region: c.Region})
	for _, a := range all {
		switch {
		case a.ClientToken != in.ClientToken:
		case a.Label != in.Name || a.SourceAMI != in.Source || a.SourceRegion != in.SourceRegion:
			return nil, fault.New(fault.BadCombination, "The client token %s was used with other parameters.", in.ClientToken).
				WithHint("Use a token of its own for each copy.").WithCode("IdempotentParameterMismatch")
		default:
			return a, nil
		}
	}
	return nil, err
}

// copySnapshot makes a completed snapshot of the disk of another one, which
// the caller owns or may make volumes of; otherwise it is fault.NotFound.
func (s *Service) copySnapshot(tx store.Tx, c domain.Caller, from domain.Key, description string, tags domain.Tags) (*domain.Snapshot, error) {
	src := new(domain.Snapshot)
	err := tx.Get(from, src)
	if fault.Is(err, fault.NotFound) || err == nil && !readable(src, c) {
		return nil, noID(domain.KindSnapshot, from.Name)
	} else if err != nil {
		return nil, err
	}
	if src.State != domain.SnapshotCompleted {
		return nil, fault.New(fault.WrongState, "Snapshot %s is %s; wait until it is completed.", from.Name, PublicSnapshotState(src.State)).WithCode("IncorrectState")
	}
	if err := roomFor(tx, c.Scope(), domain.KindSnapshot, domain.QuotaSnapshots, "SnapshotLimitExceeded"); err != nil {
		return nil, err
	}
	out := &domain.Snapshot{SizeGiB: src.SizeGiB, Description: description, Disk: src.Disk, Blocks: src.Blocks, Tags: tags}
	out.Key = c.Key(domain.KindSnapshot, s.IDs.Snapshot())
	if err := tx.Insert(out); err != nil {
		return nil, err
	}
	for _, e := range []domain.Event{domain.SnapshotAskComplete, domain.SnapshotSealed} {
		if _, err := tx.Move(out.Key, e, "copy of "+from.Name, out); err != nil {
			return nil, err
		}
	}
	return out, tx.Refer(out.Key, domain.DiskKey(out.Disk))
}

// SnapshotCopy is what CopySnapshot asks for.
type SnapshotCopy struct {
	Source       string
	SourceRegion string
	Description  string
	Tags         domain.Tags
	DryRun       bool
}

// CopySnapshot makes another snapshot of the same sealed disk.
func (s *Service) CopySnapshot(ctx context.Context, c domain.Caller, in SnapshotCopy) (*domain.Snapshot, error) {
	if err := checkRegion(c, in.SourceRegion); err != nil {
		return nil, err
	}
	from := c
	from.Region = in.SourceRegion
	var out *domain.Snapshot
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		src, err := visibleSnapshot(tx, from, in.Source)
		if err != nil {
			return err
		}
		if out, err = s.copySnapshot(tx, c, src.Key, in.Description, in.Tags); err != nil {
			return err
		}
		if in.DryRun {
			return errDryRun()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
