package work

import (
	"context"
	"encoding/json"
	"errors"

	"slipway/disk"
	"slipway/disk/facts"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

type sealState struct {
	Digest string
	Bytes  int64
	Data   int64
}

// snapshotSeal turns an upload into a sealed disk and looks into it once.
func (w *World) snapshotSeal() Workflow {
	return Define(domain.FlowSnapshotSeal, 1, []Step[sealState]{
		{Name: "seal", Do: w.sealDisk, Undo: w.sealFailed},
		{Name: "inspect", Do: w.sealInspect},
		{Name: "finish", Do: w.sealFinish, NoReturn: true},
	})
}

func (w *World) sealDisk(ctx context.Context, r *Run, s *sealState) error {
	key := r.Job().Subject
	return w.sealUpload(ctx, r, key.Name, key, s)
}

// sealUpload seals an upload and records the disk as somebody's.
func (w *World) sealUpload(ctx context.Context, r *Run, id string, key domain.Key, s *sealState) error {
	w.sealing.RLock()
	defer w.sealing.RUnlock()
	sealed, err := w.Disks.Seal(ctx, id, func(done, total int64) { r.Progress(done, total, "sealing") })
	if err != nil {
		return err
	}
	if err := w.point("sealed"); err != nil {
		return err
	}
	s.Digest, s.Bytes, s.Data = sealed.Digest.String(), sealed.SizeBytes, sealed.DataBytes
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		d := &domain.Disk{SizeBytes: s.Bytes, DataBytes: s.Data}
		d.Key = domain.DiskKey(s.Digest)
		if err := tx.Insert(d); err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
		return tx.Refer(key, d.Key)
	})
	return errors.Join(err, w.point("recorded"))
}

func (w *World) sealFailed(ctx context.Context, r *Run, _ *sealState) error {
	key := r.Job().Subject
	err := conclude(ctx, w.Store, r.Job(), domain.SnapshotBroke, fault.Public(r.Cause()), func(tx store.Tx, n *domain.Snapshot) error {
		n.Problem = fault.Public(r.Cause())
		n.Disk = ""
		refs, err := tx.References(key)
		if err != nil {
			return err
		}
		for _, to := range refs {
			if err := tx.Unrefer(key, to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.Disks.DropUpload(ctx, key.Name)
}

func (w *World) sealInspect(ctx context.Context, r *Run, s *sealState) error {
	r.Progress(0, 0, "looking into the disk")
	_, _, err := w.facts(ctx, s.Digest)
	return err
}

// facts returns what the inspection saw of a disk, looking again when an older
// inspector did. A disk that cannot be inspected is no error: problem says why.
func (w *World) facts(ctx context.Context, digest string) (f *facts.Facts, problem string, err error) {
	key := domain.DiskKey(digest)
	d, err := read[domain.Disk](ctx, w.Store, key)
	if err != nil {
		return nil, "", err
	}
	if d.Inspector != facts.Version {
		dg, err := disk.ParseDigest(digest)
		if err != nil {
			return nil, "", err
		}
		seen, ierr := w.Inspect(ctx, w.Disks.Path(dg))
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if fault.Is(ierr, fault.Unavailable) {
			return nil, "", ierr // the host's trouble, not the disk's: the step runs again
		}
		d, err = edit(ctx, w.Store, key, func(_ store.Tx, d *domain.Disk) error {
			d.Inspector, d.Facts, d.Problem = facts.Version, nil, ""
			if ierr != nil && !halfSeen(ierr) {
				d.Problem = fault.Public(ierr)
				return nil
			}
			d.Facts, err = json.Marshal(seen)
			return err
		})
		if err != nil {
			return nil, "", err
		}
	}
	if d.Problem != "" {
		return nil, d.Problem, nil
	}
	f = new(facts.Facts)
	return f, "", json.Unmarshal(d.Facts, f)
}

// halfSeen: a file system defeated the inspection. What was seen before, the
// partition table, is kept, and its Problems say the rest.
func halfSeen(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Code == "not-inspected"
}

func (w *World) sealFinish(ctx context.Context, r *Run, s *sealState) error {
	key := r.Job().Subject
	err := conclude(ctx, w.Store, r.Job(), domain.SnapshotSealed, s.Digest, func(_ store.Tx, n *domain.Snapshot) error {
		n.Disk = s.Digest
		return nil
	})
	if err != nil {
		return err
	}
	return w.Disks.DropUpload(ctx, key.Name)
}
