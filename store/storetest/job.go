package storetest

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func testJobs(s *suite) {
	s.refuse(fault.NotFound, func(tx store.Tx) error { _, err := tx.Job("job-none"); return err })
	s.refuse(fault.Internal, func(tx store.Tx) error { return tx.PutJob(&domain.Job{}) })
	now := s.clock.Now().UTC().Truncate(time.Microsecond)
	j := job(s, "import", imageKey("a"))
	j.Status, j.Step, j.StepName, j.Began, j.Attempt = domain.JobRunning, 2, "convert", true, 3
	j.NextRun, j.Created, j.Epoch, j.Cancel = now.Add(time.Hour), now.Add(-time.Hour), 7, "enough"
	j.Progress = domain.Progress{Done: 1, Total: 2, Note: "half"}
	j.Error, j.Fault, j.Code, j.Private, j.Held = "public", "busy", "x", "private", domain.JobUndoing
	j.Log = []domain.StepRun{{Step: "copy", Phase: "do", Attempt: 1, Started: now, Ended: now, Error: "e"}}
	s.update(func(tx store.Tx) error { return tx.PutJob(j) })
	var got *domain.Job
	read := func() {
		s.Helper()
		s.view(func(tx store.Tx) (err error) { got, err = tx.Job(j.ID); return err })
	}
	read()
	if !j.Updated.Equal(now) || !reflect.DeepEqual(got, j) {
		s.Errorf("read back\n%+v\nwant\n%+v", got, j)
	}
	// Put replaces.
	s.clock.advance(time.Minute)
	j.Status, j.Log, j.Created = domain.JobDone, nil, time.Time{}
	s.update(func(tx store.Tx) error { return tx.PutJob(j) })
	read()
	if got.Status != domain.JobDone || len(got.Log) != 0 || got.Created.IsZero() || !got.Updated.Equal(now.Add(time.Minute)) {
		s.Errorf("replaced: %+v", got)
	}
	s.wantJobs(store.JobQuery{}, j.ID)
}

func (s *suite) wantJobs(q store.JobQuery, want ...string) {
	s.Helper()
	var got []string
	s.view(func(tx store.Tx) error {
		jobs, err := tx.Jobs(q)
		for _, j := range jobs {
			got = append(got, j.ID)
		}
		return err
	})
	if !slices.Equal(got, want) {
		s.Errorf("jobs %+v: %v, want %v", q, got, want)
	}
}

func (s *suite) plantJobs(jobs ...*domain.Job) {
	s.Helper()
	s.update(func(tx store.Tx) error {
		for _, j := range jobs {
			if err := tx.PutJob(j); err != nil {
				return err
			}
		}
		return nil
	})
}

func testJobsQuery(s *suite) {
	a, b := imageKey("a"), imageKey("b")
	one, two, three := job(s, "import", a), job(s, "import", b), job(s, "export", a)
	s.plantJobs(one, two, three)
	two.Status = domain.JobFailed
	s.plantJobs(two)
	s.wantJobs(store.JobQuery{}, three.ID, two.ID, one.ID)
	s.wantJobs(store.JobQuery{Limit: 2}, three.ID, two.ID)
	s.wantJobs(store.JobQuery{Subject: &a}, three.ID, one.ID)
	s.wantJobs(store.JobQuery{Subject: &a, Workflow: "import"}, one.ID)
	s.wantJobs(store.JobQuery{Workflow: "import"}, two.ID, one.ID)
	s.wantJobs(store.JobQuery{Statuses: []domain.JobStatus{domain.JobFailed}}, two.ID)
	s.wantJobs(store.JobQuery{Statuses: []domain.JobStatus{domain.JobFailed, domain.JobQueued, domain.JobDone}}, three.ID, two.ID, one.ID)
	s.wantJobs(store.JobQuery{Statuses: []domain.JobStatus{domain.JobDone}})
}

func testJobsDue(s *suite) {
	now := s.clock.Now()
	at := func(d time.Duration) *domain.Job {
		j := job(s, "w", imageKey("a"))
		j.NextRun = now.Add(d)
		return j
	}
	late, never, soon, present, over := at(-time.Hour), at(0), at(time.Hour), at(0), at(0)
	never.NextRun = time.Time{} // no time at all is due at once
	s.plantJobs(soon, present, late, never, over)
	over.Status = domain.JobOperator
	s.plantJobs(over)
	s.wantJobs(store.JobQuery{Due: now}, never.ID, late.ID, present.ID)
	s.wantJobs(store.JobQuery{Due: now, Limit: 1}, never.ID)
	s.wantJobs(store.JobQuery{Due: now.Add(2 * time.Hour)}, never.ID, late.ID, present.ID, soon.ID)
	over.Status = domain.JobUndoing
	s.plantJobs(over)
	s.wantJobs(store.JobQuery{Due: now, Workflow: "w"}, never.ID, late.ID, present.ID, over.ID)
	s.wantJobs(store.JobQuery{Due: now, Workflow: "v"})
}

func testCancelResume(s *suite) {
	j := job(s, "w", imageKey("a"))
	s.plantJobs(j)
	for _, why := range []string{"first", "second"} {
		s.update(func(tx store.Tx) error { return store.CancelJob(tx, j.ID, why) })
	}
	read := func() (got *domain.Job) {
		s.view(func(tx store.Tx) (err error) { got, err = tx.Job(j.ID); return err })
		return got
	}
	if got := read(); got.Cancel != "first" || got.Status != domain.JobQueued {
		s.Errorf("cancelled: %+v", got)
	}
	s.refuse(fault.WrongState, func(tx store.Tx) error { return store.ResumeJob(tx, j.ID) })
	s.refuse(fault.NotFound, func(tx store.Tx) error { return store.CancelJob(tx, "job-none", "") })
	s.refuse(fault.NotFound, func(tx store.Tx) error { return store.ResumeJob(tx, "job-none") })
	for _, st := range []domain.JobStatus{domain.JobDone, domain.JobFailed, domain.JobCanceled, domain.JobOperator} {
		j.Status = st
		s.plantJobs(j)
		s.refuse(fault.WrongState, func(tx store.Tx) error { return store.CancelJob(tx, j.ID, "") })
	}
	j.Held, j.Attempt, j.NextRun = domain.JobUndoing, 5, s.clock.Now().Add(time.Hour)
	s.plantJobs(j)
	s.update(func(tx store.Tx) error { return errors.Join(store.ResumeJob(tx, j.ID)) })
	if got := read(); got.Status != domain.JobUndoing || got.Held != "" || got.Attempt != 0 || !got.NextRun.IsZero() {
		s.Errorf("resumed: %+v", got)
	}
}
