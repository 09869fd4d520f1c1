package work

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"slipway/disk/facts"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type exportState struct {
	SnapshotID string
	AMIID      string
}

// imageExport makes an AMI that refers to the image's sealed disk. The ids are
// chosen in a first step, so that a repeated step finds its own work.
func (w *World) imageExport() Workflow {
	return Define(domain.FlowImageExport, 1, []Step[exportState]{
		{Name: "name", Do: w.exportName, Undo: w.exportFailed},
		{Name: "snapshot", Do: w.exportSnapshot, Undo: w.exportDropSnapshot},
		{Name: "register", Do: w.exportRegister, Undo: w.exportDropAMI},
		{Name: "complete", Do: w.exportComplete, NoReturn: true},
	})
}

// codeDeadline marks an export that took too long.
const codeDeadline = "DEADLINE"

func (w *World) exportTask(ctx context.Context, r *Run) (*domain.Export, error) {
	e, err := read[domain.Export](ctx, w.Store, r.Job().Subject)
	if err != nil {
		return nil, err
	}
	if w.Clock.Now().After(e.Deadline) {
		return nil, GiveUp(fault.New(fault.Canceled, "The export did not end before %s.", e.Deadline.Format("2006-01-02 15:04 MST")).
			WithHint("Start it again; what was made so far was removed.").WithCode(codeDeadline))
	}
	return e, nil
}

func (w *World) exportName(ctx context.Context, r *Run, s *exportState) error {
	if _, err := w.exportTask(ctx, r); err != nil {
		return err
	}
	s.SnapshotID, s.AMIID = w.IDs.Snapshot(), w.IDs.AMI()
	return nil
}

func (w *World) exportFailed(ctx context.Context, r *Run, _ *exportState) error {
	event, code := domain.ExportBroke, "INTERNAL_ERROR"
	cause := r.Cause()
	var f *fault.Error
	switch {
	case errors.As(cause, &f) && f.Code == codeDeadline:
		event, code = domain.ExportExpired, "TIMED_OUT"
	case fault.Is(cause, fault.Canceled):
		code = "CANCELED"
	case !fault.Is(cause, fault.Internal):
		code = "VALIDATION_ERROR"
	}
	key := r.Job().Subject
	return move(ctx, w.Store, key, event, fault.Public(cause), func(tx store.Tx, e *domain.Export) error {
		e.Problems = []domain.StateReason{{Code: code, Message: fault.Public(cause)}}
		return tx.Unrefer(key, domain.DiskKey(e.Disk))
	})
}

func (w *World) exportSnapshot(ctx context.Context, r *Run, s *exportState) error {
	e, err := w.exportTask(ctx, r)
	if err != nil {
		return err
	}
	key := domain.Key{Scope: e.Key.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		d := new(domain.Disk)
		if err := tx.Get(domain.DiskKey(e.Disk), d); err != nil {
			return fmt.Errorf("disk of the image: %w", err)
		}
		snap := &domain.Snapshot{
			SizeGiB: (d.SizeBytes + 1<<30 - 1) >> 30, Disk: e.Disk, Tags: e.Tags,
			Description: "Exported from AppStream image " + e.ImageName,
		}
		snap.Key = key
		if err := tx.Insert(snap); fault.Is(err, fault.Exists) {
			return nil // this step ran before
		} else if err != nil {
			return err
		}
		for _, ev := range []domain.Event{domain.SnapshotAskComplete, domain.SnapshotSealed} {
			if _, err := tx.Move(key, ev, "export", nil); err != nil {
				return err
			}
		}
		return tx.Refer(key, d.Key)
	})
}

func (w *World) exportDropSnapshot(ctx context.Context, r *Run, s *exportState) error {
	if s.SnapshotID == "" {
		return nil
	}
	key := domain.Key{Scope: r.Job().Subject.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
	return w.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(key) })
}

func (w *World) exportRegister(ctx context.Context, r *Run, s *exportState) error {
	e, err := w.exportTask(ctx, r)
	if err != nil {
		return err
	}
	f, _, err := w.facts(ctx, e.Disk)
	if err != nil {
		return err
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		same, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Account: e.Key.Account, Region: e.Key.Region, Alias: e.AMIName})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(same, func(a *domain.AMI) bool { return a.Key.Name == s.AMIID }) {
			return nil // this step ran before
		}
		if len(same) > 0 {
			return GiveUp(fault.New(fault.Exists, "The AMI name %s was taken by %s while the export ran.", e.AMIName, same[0].Key.Name).
				WithHint("Export again under another name."))
		}
		snap := new(domain.Snapshot)
		snapKey := domain.Key{Scope: e.Key.Scope, Kind: domain.KindSnapshot, Name: s.SnapshotID}
		if err := tx.Get(snapKey, snap); err != nil {
			return err
		}
		ami := &domain.AMI{
			Label: e.AMIName, Description: e.AMIDescription, Architecture: "x86_64", VirtType: "hvm", BootMode: "uefi",
			TPM: "v2.0", ENA: true, RootDevice: "/dev/sda1", Tags: e.Tags,
			Mappings: []domain.Mapping{{Device: "/dev/sda1", SnapshotID: s.SnapshotID, SizeGiB: snap.SizeGiB, VolumeType: "gp2"}},
		}
		ami.SetPlatform(f != nil && f.OS == facts.Windows)
		ami.Key = domain.Key{Scope: e.Key.Scope, Kind: domain.KindAMI, Name: s.AMIID}
		if err := tx.Insert(ami); err != nil {
			return err
		}
		return tx.Refer(ami.Key, snapKey)
	})
}

func (w *World) exportDropAMI(ctx context.Context, r *Run, s *exportState) error {
	if s.AMIID == "" {
		return nil
	}
	key := domain.Key{Scope: r.Job().Subject.Scope, Kind: domain.KindAMI, Name: s.AMIID}
	return w.Store.Update(ctx, func(tx store.Tx) error { return tx.Delete(key) })
}

func (w *World) exportComplete(ctx context.Context, r *Run, s *exportState) error {
	key := r.Job().Subject
	return move(ctx, w.Store, key, domain.ExportDone, s.AMIID, func(tx store.Tx, e *domain.Export) error {
		e.AMIID = s.AMIID
		return tx.Unrefer(key, domain.DiskKey(e.Disk))
	})
}
