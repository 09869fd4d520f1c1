package work_test

import (
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work/worktest"
)

// TestSubjectsThatGoOnBeforeTheJobEnds: the last step has told the outcome, the
// server is killed before it records the job's end, and somebody deletes what the
// job was about. The job says its last word again, to nobody.
func TestSubjectsThatGoOnBeforeTheJobEnds(t *testing.T) {
	imported := func(r *rig) domain.Key { return r.imported("img", nil) }
	copied := func(r *rig) domain.Key { key, _ := r.copied("img"); return key }
	sealing := func(r *rig) domain.Key { return r.upload("snap-0000000000000000b") }
	image, snapshot := func() domain.Noun { return new(domain.Image) }, func() domain.Noun { return new(domain.Snapshot) }
	for name, c := range map[string]struct {
		plant  func(r *rig) domain.Key
		failed bool
		events []domain.Event // the outcome, and what follows
		again  func() domain.Noun
	}{
		"import, failed": {imported, true, []domain.Event{domain.ImageBroke, domain.ImageAskDelete}, image},
		"import, done":   {imported, false, []domain.Event{domain.ImageReady, domain.ImageAskDelete}, image},
		"copy, failed":   {copied, true, []domain.Event{domain.ImageBroke, domain.ImageAskDelete}, image},
		"copy, done":     {copied, false, []domain.Event{domain.ImageReady, domain.ImageAskDelete}, image},
		"seal, failed":   {sealing, true, []domain.Event{domain.SnapshotBroke}, snapshot},
		"seal, done":     {sealing, false, []domain.Event{domain.SnapshotSealed}, snapshot},
	} {
		for _, how := range []string{"deleting", "gone", "another of its name"} {
			if how == "deleting" && len(c.events) == 1 {
				continue // snapshots go at once
			}
			t.Run(name+", "+how, func(t *testing.T) {
				r := newRig(t)
				r.sealed()
				key := c.plant(r)
				id := r.jobOf(key)
				r.lastWord(id, c.failed)
				r.update(func(tx store.Tx) error {
					for _, e := range c.events {
						if _, err := tx.Move(key, e, "", nil); err != nil {
							return err
						}
					}
					if how == "deleting" {
						return nil
					}
					return tx.Delete(key)
				})
				if how == "another of its name" {
					n := c.again()
					n.Head().Key = key
					r.update(func(tx store.Tx) error { return tx.Insert(n) })
				}
				before, there := r.state(key)
				w := &worktest.World{Store: func() store.Store { return r.store }, Workflows: r.flows, JobID: id}
				want := domain.JobDone
				if c.failed {
					want = domain.JobFailed
				}
				if j := worktest.Run(t, w, nil, nil); j.Status != want {
					t.Errorf("the job is %s: %s", j.Status, j.Error)
				}
				if after, still := r.state(key); after != before || still != there {
					t.Errorf("%s (%v) became %s (%v)", before, there, after, still)
				}
			})
		}
	}
}

// lastWord makes a job one that was killed after its last step, forward or back,
// and before that was recorded.
func (r *rig) lastWord(id string, undoing bool) {
	r.update(func(tx store.Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		j.Began = true
		if j.Status, j.Step = domain.JobUndoing, 0; undoing {
			j.Error, j.Fault = "It did not boot.", fault.Incompatible.String()
			return tx.PutJob(j)
		}
		j.Status = domain.JobRunning
		for _, f := range r.flows() {
			if f.Name() == j.Workflow {
				j.Step = len(f.Steps()) - 1
			}
		}
		return tx.PutJob(j)
	})
}

// state is that of a resource; false when there is none.
func (r *rig) state(key domain.Key) (s domain.State, there bool) {
	r.t.Helper()
	err := r.store.View(r.t.Context(), func(tx store.Tx) error {
		return tx.Query(store.Query{Kind: key.Kind, Account: key.Account, Region: key.Region, Names: []string{key.Name}}, func(row store.Row) (bool, error) {
			s, there = row.State(), true
			return false, nil
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return s, there
}

// TestDeletionSparesTheNextOfItsName: the row is gone, the server is killed before
// it records that, and somebody makes another image of the name.
func TestDeletionSparesTheNextOfItsName(t *testing.T) {
	r := newRig(t)
	img := new(domain.Image)
	img.Key = domain.Key{Scope: scope, Kind: domain.KindImage, Name: "img"}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(img); err != nil {
			return err
		}
		return r.enqueue(tx, domain.FlowImageDelete, img.Key)
	})
	id := r.jobOf(img.Key)
	r.lastWord(id, false)
	if j := worktest.Run(t, &worktest.World{Store: func() store.Store { return r.store }, Workflows: r.flows, JobID: id}, nil, nil); j.Status != domain.JobDone {
		t.Errorf("the job is %s: %s", j.Status, j.Error)
	}
	if s, there := r.state(img.Key); !there || s != domain.ImagePending {
		t.Errorf("the next image: %s, %v", s, there)
	}
}
