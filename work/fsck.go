package work

import (
	"context"
	"log/slog"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Severity is how bad a finding is.
type Severity string

const (
	SeverityError   Severity = "error"   // something somebody relies on is not there or not right
	SeverityWarning Severity = "warning" // something is there that nobody needs
	SeverityNote    Severity = "note"    // nothing is wrong, but worth knowing
)

// Found is one thing that a Fsck found.
type Found struct {
	Code     string // stable: disk-damaged, orphan-overlay, …
	Severity Severity
	Subject  string // what it is about: a digest, the key of a row, a path
	Text     string
	Remedy   string
	Users    []domain.Key // who is affected
	Repaired bool
}

// FsckReport is what a Fsck looked at and found.
type FsckReport struct {
	At       time.Time
	Disks    int   // sealed disks that were verified
	Bytes    int64 // of data that was read
	Repaired bool  // whether what is safe was repaired
	Found    []Found
}

// Clean tells whether nothing is wrong.
func (r *FsckReport) Clean() bool {
	for _, f := range r.Found {
		if f.Severity != SeverityNote {
			return false
		}
	}
	return true
}

// Fsck compares rows with files: every disk that is referred to exists and has
// the content of its digest, and nothing is there that nobody refers to.
type Fsck struct {
	World    *World
	Log      *slog.Logger
	Repair   bool // do what is safe: remove what nobody uses, mark what is lost
	Quick    bool // do not read the data of disks
	Progress func(done, total int64)
	// Machines names those that there are; nil asks the driver. Without a driver
	// (nobody serves) machines are left alone, and so are overlays they may use.
	Machines func(ctx context.Context) ([]string, error)

	report FsckReport
	have   map[disk.Digest]bool // sealed disks with files
	bad    map[disk.Digest]bool // those that are damaged
}

// Run checks everything and returns what it found. Errors: what kept it from
// looking.
func (f *Fsck) Run(ctx context.Context) (*FsckReport, error) {
	f.report = FsckReport{At: f.World.Clock.Now().UTC(), Repaired: f.Repair}
	f.have, f.bad = map[disk.Digest]bool{}, map[disk.Digest]bool{}
	for _, part := range []func(context.Context) error{f.orphans, f.strangers, f.machines, f.uploads, f.evidence, f.verify, f.rows, f.jobs} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return &f.report, nil
}

func (f *Fsck) found(x Found) *Found {
	f.report.Found = append(f.report.Found, x)
	return &f.report.Found[len(f.report.Found)-1]
}

// verify reads every sealed disk.
func (f *Fsck) verify(ctx context.Context) error {
	all, err := f.World.Disks.Sealed()
	if err != nil {
		return err
	}
	var total, before int64
	for _, d := range all {
		f.have[d] = true
		if st, err := f.World.Disks.Stat(d); err == nil {
			total += st.DataBytes
		}
	}
	for _, d := range all {
		st, err := f.World.Disks.Stat(d)
		damage := ""
		switch {
		case fault.Is(err, fault.NotFound): // collected meanwhile
			delete(f.have, d)
			continue
		case f.Quick && err == nil:
			continue
		}
		c, err := f.World.check(ctx, d, false, func(done, _ int64) error {
			if f.Progress != nil {
				f.Progress(before+done, total)
			}
			return ctx.Err()
		}, nil)
		if fault.Is(err, fault.NotFound) {
			delete(f.have, d)
			continue
		} else if err != nil {
			return err
		}
		f.report.Disks++
		f.report.Bytes += st.DataBytes
		before += st.DataBytes
		if damage = c.Damage; damage == "" {
			continue
		}
		f.bad[d] = true
		if err := f.lost(ctx, d, "disk-damaged", damage, "Check the server's disk. Upload or import the same content again: it takes the place of the damaged disk."); err != nil {
			return err
		}
	}
	return nil
}

// lost tells of a disk that cannot be used, and marks who relies on it.
func (f *Fsck) lost(ctx context.Context, d disk.Digest, code, text, remedy string) error {
	var users []domain.Key
	err := f.World.Store.View(ctx, func(tx store.Tx) (err error) {
		users, err = usersOf(tx, d.String())
		return err
	})
	if err != nil {
		return err
	}
	x := f.found(Found{Code: code, Severity: SeverityError, Subject: d.String(), Text: text, Remedy: remedy, Users: users})
	if !f.Repair || len(users) == 0 {
		return nil
	}
	marked, err := f.World.markLost(ctx, users, text+" "+remedy)
	x.Repaired = marked > 0
	return err
}

// usersOf lists the resources that stand on a disk: those that refer to it, and
// the AMIs of its snapshots.
func usersOf(tx store.Tx, digest string) ([]domain.Key, error) {
	users, err := tx.Referrers(domain.DiskKey(digest))
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Kind != domain.KindSnapshot {
			continue
		}
		amis, err := tx.Referrers(u, domain.KindAMI)
		if err != nil {
			return nil, err
		}
		users = append(users, amis...)
	}
	return users, nil
}

// markLost tells resources that their disk is lost; how many it newly concerns
// is returned. Those that are being worked on are left to the work, which will
// see for itself.
func (w *World) markLost(ctx context.Context, users []domain.Key, why string) (marked int, err error) {
	for _, k := range users {
		var one error
		before := marked
		switch k.Kind {
		case domain.KindSnapshot:
			one = move(ctx, w.Store, k, domain.SnapshotDiskLost, why, func(_ store.Tx, n *domain.Snapshot) error {
				if n.State == domain.SnapshotCompleted {
					n.Problem = why
					marked++
				}
				return nil
			})
		case domain.KindAMI:
			one = move(ctx, w.Store, k, domain.AMIDiskLost, why, func(_ store.Tx, n *domain.AMI) error {
				if n.State == domain.AMIAvailable {
					n.Problem = why
					marked++
				}
				return nil
			})
		case domain.KindImage:
			one = move(ctx, w.Store, k, domain.ImageDiskLost, why, func(tx store.Tx, n *domain.Image) error {
				if n.State == domain.ImageAvailable {
					n.Reason = &domain.StateReason{Code: "INTERNAL_ERROR", Message: why}
					n.Errors = append(n.Errors, domain.ImageError{Code: "INTERNAL_ERROR", Message: why, At: tx.Now()})
					marked++
				}
				return nil
			})
		}
		if fault.Is(one, fault.WrongState) || fault.Is(one, fault.NotFound) {
			marked, one = before, nil
		}
		if one != nil {
			return marked, one
		}
	}
	return marked, nil
}
