package crash

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/disk"
	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/test/rig"
	"slipway/work/layout"
)

// audit waits until the server is at rest, stops it and looks at all it keeps.
func (r *Rig) audit() (*Report, error) {
	var left []string
	err := rig.Poll(r.ctx, r.o.Limit, 100*time.Millisecond, func() (bool, error) {
		jobs, err := r.clients.Jobs(r.ctx, true)
		if err != nil {
			return false, err
		}
		if left, err = r.litter(); err != nil {
			return false, err
		}
		var disks adminapi.Disks
		if err := r.clients.Admin(r.ctx, http.MethodGet, "/disks", nil, &disks); err != nil {
			return false, err
		}
		for _, d := range disks.Disks {
			if len(d.Users) == 0 {
				left = append(left, fmt.Sprintf("disk %s has no user", d.Digest))
			}
		}
		for _, j := range jobs {
			left = append(left, fmt.Sprintf("job %s (%s) does not end: %s, step %s", j.ID, j.Workflow, j.Status, j.StepName))
		}
		return len(left) == 0, nil
	})
	if err != nil && len(left) == 0 {
		return nil, fmt.Errorf("the server at rest: %w", err)
	}
	for _, l := range left {
		r.fail("left behind: %s", l)
	}
	jobs, err := r.clients.Jobs(r.ctx, false)
	if err != nil {
		return nil, err
	}
	if err := r.server().Stop(); err != nil {
		r.fail("stopping: %v", err)
	}
	for _, p := range rig.Processes(r.dataDir()) {
		r.fail("left running: process %d: %.120s", p.Pid, p.Command)
	}
	if err := r.books(); err != nil {
		return nil, err
	}
	return r.report(jobs), nil
}

// litter lists what ended work must not leave in the data directory.
func (r *Rig) litter() (out []string, err error) {
	strange, err := layout.Strangers(r.dataDir())
	if err != nil {
		return nil, err
	}
	passing, err := layout.Passing(r.dataDir())
	if err != nil {
		return nil, err
	}
	r.ledger.set(func() {
		for _, path := range passing {
			if id, ok := strings.CutPrefix(path, "disks/uploads/"); !ok || r.ledger.snapshots[id] != "pending" {
				out = append(out, path)
			}
		}
		out = append(out, r.evidence()...)
	})
	return append(out, strange...), nil
}

// evidence lists what was kept of images that are no more; the ledger is held.
func (r *Rig) evidence() (out []string) {
	root := filepath.Join(r.dataDir(), "evidence")
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		if parts := strings.Split(rel, "/"); err == nil && len(parts) == 3 {
			if !r.ledger.images[parts[1]+"/"+parts[2]] {
				out = append(out, "evidence/"+rel)
			}
			return fs.SkipDir
		}
		return err
	})
	return out
}

func names(dir string) (out []string) {
	es, _ := os.ReadDir(dir) // one that is not there has nothing in it
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

// books opens the store and the disks of the stopped server and compares them
// with each other and with what the clients know.
func (r *Rig) books() (err error) {
	st, err := sqlite.Open(r.dataDir(), sqlite.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	disks, err := disk.Open(filepath.Join(r.dataDir(), "disks"))
	if err != nil {
		return err
	}
	b := &bookkeeper{Rig: r, disks: disks}
	err = st.View(r.ctx, func(tx store.Tx) error {
		for _, check := range []func(store.Tx) error{b.jobs, b.snapshots, b.amis, b.images, b.exports, b.builders, b.disksOf, b.ends} {
			if err := check(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.bytes(r.ctx)
}

type bookkeeper struct {
	*Rig
	disks *disk.Store
	known []string     // digests of the disks in the store
	keys  []domain.Key // of all resources
}

func (b *bookkeeper) jobs(tx store.Tx) error {
	all, err := tx.Jobs(store.JobQuery{})
	for _, j := range all {
		switch j.Status {
		case domain.JobDone, domain.JobFailed, domain.JobCanceled:
		default:
			b.fail("job %s (%s of %s) is %s: %s", j.ID, j.Workflow, j.Subject.Name, j.Status, j.Error)
		}
		if j.Status == domain.JobFailed && j.Error == "" {
			b.fail("job %s failed and says not why", j.ID)
		}
	}
	return err
}

func (b *bookkeeper) snapshots(tx store.Tx) error {
	all, err := store.List[domain.Snapshot](tx, store.Query{Kind: domain.KindSnapshot})
	for _, s := range all {
		b.keys = append(b.keys, s.Key)
		was, ours := b.ledger.snapshots[s.Key.Name]
		switch {
		case !ours:
			b.fail("nobody asked for snapshot %s (%s)", s.Key.Name, s.State)
		case s.State == domain.SnapshotPending && was != "pending", s.State == domain.SnapshotSealing:
			b.fail("snapshot %s is %s for ever", s.Key.Name, s.State)
		case s.State == domain.SnapshotError && s.Problem == "":
			b.fail("snapshot %s failed and says not why", s.Key.Name)
		case s.State == domain.SnapshotCompleted:
			if err := b.refers(tx, s.Key, domain.DiskKey(s.Disk)); err != nil {
				return err
			}
		}
		delete(b.ledger.snapshots, s.Key.Name)
	}
	for id := range b.ledger.snapshots {
		b.fail("snapshot %s is lost", id)
	}
	return err
}

// refers wants a reference to be there.
func (b *bookkeeper) refers(tx store.Tx, from, to domain.Key) error {
	refs, err := tx.References(from)
	if !slices.Contains(refs, to) {
		b.fail("%s %s does not hold its %s", from.Kind, from.Name, to.Kind)
	}
	return err
}

func (b *bookkeeper) amis(tx store.Tx) error {
	all, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI})
	for _, a := range all {
		b.keys = append(b.keys, a.Key)
		name := a.Key.Region + "/" + a.Label
		if b.ledger.amis[name] != a.Key.Name {
			b.fail("nobody knows of AMI %s, %s", a.Key.Name, name)
		}
		delete(b.ledger.amis, name)
		for _, m := range a.Mappings {
			s := new(domain.Snapshot)
			key := domain.Key{Scope: a.Key.Scope, Kind: domain.KindSnapshot, Name: m.SnapshotID}
			if err := tx.Get(key, s); err != nil || s.State != domain.SnapshotCompleted {
				b.fail("AMI %s stands on snapshot %s: %s %v", a.Key.Name, m.SnapshotID, s.State, err)
			}
			if err := b.refers(tx, a.Key, key); err != nil {
				return err
			}
		}
	}
	for name, id := range b.ledger.amis {
		b.fail("AMI %s, %s is lost", id, name)
	}
	return err
}

func (b *bookkeeper) images(tx store.Tx) error {
	all, err := store.List[domain.Image](tx, store.Query{Kind: domain.KindImage})
	for _, i := range all {
		b.keys = append(b.keys, i.Key)
		name := i.Key.Region + "/" + i.Key.Name
		if !b.ledger.images[name] {
			b.fail("nobody knows of image %s, %s", name, i.State)
		}
		delete(b.ledger.images, name)
		switch i.State {
		case domain.ImageAvailable:
			if i.Intended == "" {
				break
			}
			for _, g := range i.Evidence.Rungs {
				if g.Needed && !g.Reached {
					b.fail("image %s is available without %s", name, g.Name)
				}
			}
			if st, err := os.Stat(i.Evidence.Screenshot); err != nil || st.Size() == 0 {
				b.fail("the screenshot of image %s: %v", name, err)
			}
		case domain.ImageFailed:
			if i.Reason == nil || i.Reason.Message == "" {
				b.fail("image %s failed and says not why", name)
			}
		default:
			b.fail("image %s is %s for ever", name, i.State)
		}
		if err := b.refers(tx, i.Key, domain.DiskKey(i.Disk)); err != nil {
			return err
		}
	}
	for name := range b.ledger.images {
		b.fail("image %s is lost", name)
	}
	return err
}

func (b *bookkeeper) exports(tx store.Tx) error {
	all, err := store.List[domain.Export](tx, store.Query{Kind: domain.KindExport})
	for _, e := range all {
		b.keys = append(b.keys, e.Key)
		refs, err := tx.References(e.Key)
		switch {
		case err != nil:
			return err
		case len(refs) > 0:
			b.fail("export %s has ended and still holds %v", e.Key.Name, refs)
		case e.State == domain.ExportCompleted && e.AMIID != "":
		case e.State == domain.ExportFailed && len(e.Problems) > 0:
		default:
			b.fail("export %s is %s: %v", e.Key.Name, e.State, e.Problems)
		}
	}
	return err
}

// builders: every journey deletes its own.
func (b *bookkeeper) builders(tx store.Tx) error {
	all, err := store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder})
	for _, x := range all {
		b.keys = append(b.keys, x.Key)
		b.fail("image builder %s is left, %s", x.Key.Name, x.State)
	}
	return err
}

func (b *bookkeeper) disksOf(tx store.Tx) error {
	all, err := store.List[domain.Disk](tx, store.Query{Kind: domain.KindDisk})
	for _, d := range all {
		b.keys = append(b.keys, d.Key)
		b.known = append(b.known, d.Key.Name)
		users, err := tx.Referrers(d.Key)
		if err != nil {
			return err
		}
		if len(users) == 0 {
			b.fail("disk %s has no user", d.Key.Name)
		}
		if d.Problem != "" {
			b.fail("disk %s, which is sound: %s", d.Key.Name, d.Problem)
		}
	}
	return err
}

// ends wants both ends of every reference to be there.
func (b *bookkeeper) ends(tx store.Tx) error {
	for _, k := range b.keys {
		refs, err := tx.References(k)
		if err != nil {
			return err
		}
		for _, to := range refs {
			if !slices.Contains(b.keys, to) {
				b.fail("%s %s holds %s %s, which is not there", k.Kind, k.Name, to.Kind, to.Name)
			}
		}
	}
	return nil
}

// bytes compares the sealed disks with those that the store knows.
func (b *bookkeeper) bytes(ctx context.Context) error {
	all, err := b.disks.Sealed()
	if err != nil {
		return err
	}
	for _, d := range all {
		if !slices.Contains(b.known, d.String()) {
			b.fail("the sealed disk %s is unknown", d)
		}
		if err := b.disks.Verify(ctx, d, nil); err != nil {
			b.fail("the sealed disk %s: %v", d, err)
		}
		dir := filepath.Dir(b.disks.Path(d))
		// What else may be there, litter knows.
		for _, n := range []string{"disk.json", "leaves", "raw"} {
			if !slices.Contains(names(dir), n) {
				b.fail("the sealed disk %s has no %s", d, n)
			}
		}
		b.known = slices.DeleteFunc(b.known, func(s string) bool { return s == d.String() })
	}
	for _, d := range b.known {
		b.fail("the bytes of disk %s are gone", d)
	}
	return nil
}

// resumes tells how long each interrupted step waited for the server's return:
// from the start of the process that ran it again.
func (r *Rig) resumes(jobs []adminapi.Job) (out []time.Duration) {
	for _, j := range jobs {
		for i := 1; i < len(j.Log); i++ {
			if !strings.HasPrefix(j.Log[i-1].Error, "interrupted") {
				continue
			}
			at := j.Log[i].Started
			for k := len(r.starts) - 1; k >= 0; k-- {
				if r.starts[k].Before(at) {
					out = append(out, at.Sub(r.starts[k]))
					break
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
