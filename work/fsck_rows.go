package work

import (
	"context"
	"fmt"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// holder is a row that names a disk.
type holder struct {
	key    domain.Key
	digest string
	needs  bool // the disk must be there: the row is of something that can be used
}

// holders lists every row that names a disk.
func holders(tx store.Tx) (out []holder, err error) {
	snaps, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot})
	if err != nil {
		return nil, err
	}
	for _, n := range snaps {
		out = append(out, holder{n.Key, n.Disk, n.State == domain.SnapshotCompleted})
	}
	images, err := store.List[domain.Image](tx, store.Query{Kind: domain.KindImage})
	if err != nil {
		return nil, err
	}
	for _, n := range images {
		// Images of the catalogue have no disk.
		out = append(out, holder{n.Key, n.Disk, n.Disk != "" && n.State != domain.ImageFailed && n.State != domain.ImageDeleting})
	}
	builders, err := store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder})
	if err != nil {
		return nil, err
	}
	for _, n := range builders {
		out = append(out, holder{n.Key, n.Disk, n.Disk != "" && n.State != domain.BuilderDeleting})
	}
	fleets, err := store.List[domain.Fleet](tx, store.Query{Kind: domain.KindFleet})
	if err != nil {
		return nil, err
	}
	for _, n := range fleets {
		out = append(out, holder{n.Key, n.Disk, n.Disk != ""})
	}
	return out, nil
}

// rows checks everything that names a disk.
func (f *Fsck) rows(ctx context.Context) error {
	var all []holder
	held := map[domain.Key]bool{} // pairs that are in the table of references
	pair := func(from domain.Key, digest string) domain.Key {
		from.Name += "\x00" + digest
		return from
	}
	missing := map[string]bool{} // digests without a row
	var amis []Found
	err := f.World.Store.View(ctx, func(tx store.Tx) (err error) {
		if all, err = holders(tx); err != nil {
			return err
		}
		for _, h := range all {
			refs, err := tx.References(h.key)
			if err != nil {
				return err
			}
			for _, to := range refs {
				if to.Kind == domain.KindDisk {
					held[pair(h.key, to.Name)] = true
				}
			}
			if h.digest == "" {
				continue
			}
			if err := tx.Get(domain.DiskKey(h.digest), new(domain.Disk)); fault.Is(err, fault.NotFound) {
				missing[h.digest] = true
			} else if err != nil {
				return err
			}
		}
		amis, err = amisWithoutSnapshot(tx)
		return err
	})
	if err != nil {
		return err
	}
	f.report.Found = append(f.report.Found, amis...)
	gone := map[string]bool{}
	for _, h := range all {
		if !h.needs {
			continue
		}
		d, err := disk.ParseDigest(h.digest)
		if err != nil {
			f.found(Found{Code: "disk-unknown", Severity: SeverityError, Subject: h.key.String(), Users: []domain.Key{h.key},
				Text: fmt.Sprintf("It names no sealed disk: %q.", h.digest), Remedy: "Delete it."})
			continue
		}
		if err := f.row(ctx, h, d, held[pair(h.key, h.digest)], missing[h.digest], gone); err != nil {
			return err
		}
	}
	return f.sizes(ctx)
}

// row checks one row that names a disk.
func (f *Fsck) row(ctx context.Context, h holder, d disk.Digest, held, rowless bool, gone map[string]bool) error {
	_, err := f.World.Disks.Stat(d)
	if fault.Is(err, fault.NotFound) {
		if gone[h.digest] || f.gone(ctx, h) {
			return nil
		}
		gone[h.digest] = true
		return f.lost(ctx, d, "disk-missing", "The sealed disk "+h.digest+" is missing.",
			"Upload or import the same content again, or restore a backup.")
	}
	if !held {
		x := f.found(Found{Code: "disk-unheld", Severity: SeverityError, Subject: h.key.String(), Users: []domain.Key{h.key},
			Text: "It names the sealed disk " + h.digest + " and does not hold it: the disk may be removed.", Remedy: "Run slipway fsck --repair."})
		if f.Repair {
			if err := f.World.Store.Update(ctx, func(tx store.Tx) error { return tx.Refer(h.key, domain.DiskKey(h.digest)) }); err != nil {
				return err
			}
			x.Repaired = true
		}
	}
	if rowless && !gone[h.digest] {
		gone[h.digest] = true
		return f.adopt(ctx, h, d)
	}
	return nil
}

// gone tells whether a row that was read has been deleted since: an online
// check sees things go.
func (f *Fsck) gone(ctx context.Context, h holder) bool {
	still := true
	err := f.World.Store.View(ctx, func(tx store.Tx) (err error) {
		still, err = there(tx, h.key)
		return err
	})
	return err == nil && !still
}

// there tells whether a row exists.
func there(tx store.Tx, k domain.Key) (bool, error) {
	n, err := tx.Count(store.Query{Kind: k.Kind, Account: k.Account, Region: k.Region, Names: []string{k.Name}})
	return n > 0, err
}

// adopt writes the row of a disk that is used and has none.
func (f *Fsck) adopt(ctx context.Context, h holder, d disk.Digest) error {
	x := f.found(Found{Code: "disk-unrecorded", Severity: SeverityError, Subject: h.digest, Users: []domain.Key{h.key},
		Text: "The disk is used and has no row.", Remedy: "Run slipway fsck --repair."})
	st, err := f.World.Disks.Stat(d)
	if !f.Repair || err != nil || f.bad[d] {
		return nil
	}
	err = f.World.Store.Update(ctx, func(tx store.Tx) error {
		n := &domain.Disk{SizeBytes: st.SizeBytes, DataBytes: st.DataBytes}
		n.Key = domain.DiskKey(h.digest)
		if err := tx.Insert(n); err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
		return nil
	})
	x.Repaired = err == nil
	return err
}

// sizes compares what rows say of disks with the disks.
func (f *Fsck) sizes(ctx context.Context) error {
	var all []*domain.Disk
	err := f.World.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = store.List[domain.Disk](tx, store.Query{Kind: domain.KindDisk})
		return err
	})
	for _, n := range all {
		d, perr := disk.ParseDigest(n.Key.Name)
		if perr != nil || f.bad[d] {
			continue
		}
		st, serr := f.World.Disks.Stat(d)
		if serr != nil || st.SizeBytes == n.SizeBytes && st.DataBytes == n.DataBytes {
			continue
		}
		x := f.found(Found{Code: "disk-size", Severity: SeverityError, Subject: n.Key.Name, Remedy: "Run slipway fsck --repair.",
			Text: fmt.Sprintf("The row says %d bytes, %d of them data; the disk has %d and %d.", n.SizeBytes, n.DataBytes, st.SizeBytes, st.DataBytes)})
		if f.Repair && !f.Quick { // the disk has just been verified: its digest covers the size
			_, err = edit(ctx, f.World.Store, n.Key, func(_ store.Tx, n *domain.Disk) error {
				n.SizeBytes, n.DataBytes = st.SizeBytes, st.DataBytes
				return nil
			})
			if err != nil {
				return err
			}
			x.Repaired = true
		}
	}
	return err
}

func amisWithoutSnapshot(tx store.Tx) (out []Found, err error) {
	amis, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI})
	if err != nil {
		return nil, err
	}
	for _, a := range amis {
		for _, m := range a.Mappings {
			if m.SnapshotID == "" {
				continue
			}
			key := domain.Key{Scope: a.Key.Scope, Kind: domain.KindSnapshot, Name: m.SnapshotID}
			err := tx.Get(key, new(domain.Snapshot))
			if fault.Is(err, fault.NotFound) {
				out = append(out, Found{Code: "snapshot-missing", Severity: SeverityError, Subject: a.Key.String(), Users: []domain.Key{a.Key},
					Text: "Its snapshot " + m.SnapshotID + " is missing.", Remedy: "Deregister the AMI."})
			} else if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// jobs checks that work under way has what it works on.
func (f *Fsck) jobs(ctx context.Context) error {
	return f.World.Store.View(ctx, func(tx store.Tx) error {
		jobs, err := tx.Jobs(store.JobQuery{Statuses: unfinished})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			is, err := there(tx, j.Subject)
			switch {
			case err == nil && !is:
				f.found(Found{Code: "job-lost", Severity: SeverityWarning, Subject: j.ID, Text: "It works for " + j.Subject.String() + ", which is not there.",
					Remedy: "Nothing: it gives up by itself. If it waits for an operator, cancel it with slipway job cancel."})
			case err != nil:
				return err
			case j.Status == domain.JobOperator:
				f.found(Found{Code: "job-waits", Severity: SeverityNote, Subject: j.ID, Text: "It waits for an operator: " + j.Error, Users: []domain.Key{j.Subject}})
			}
		}
		return nil
	})
}

// unfinished are the statuses of jobs that still hold what they made.
var unfinished = []domain.JobStatus{domain.JobQueued, domain.JobRunning, domain.JobUndoing, domain.JobOperator}
