package work_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

// one makes a workflow of a single step that may be undone.
func one(name string, do, undo func(context.Context, *work.Run, *toy) error) work.Workflow {
	return work.Define(name, 1, []work.Step[toy]{{Name: "only", Do: do, Undo: undo}})
}

func nothing(context.Context, *work.Run, *toy) error { return nil }

func runs(j *domain.Job, phase string) (n int) {
	for _, r := range j.Log {
		if r.Phase == phase {
			n++
		}
	}
	return n
}

func TestErrorsAreClassified(t *testing.T) {
	again := map[fault.Kind]bool{fault.Internal: true, fault.Unavailable: true, fault.Busy: true}
	type row struct {
		name   string
		err    error
		tries  int
		status domain.JobStatus
	}
	rows := []row{
		{"foreign", errors.New("x"), 5, domain.JobFailed},
		{"give up", work.GiveUp(errors.New("x")), 1, domain.JobFailed},
		{"wrapped give up", fmt.Errorf("y: %w", work.GiveUp(fault.New(fault.Busy, "x"))), 1, domain.JobFailed},
		{"operator", work.Operator(fault.New(fault.BadValue, "x")), 1, domain.JobOperator},
	}
	for _, k := range fault.Kinds() {
		tries := 1
		if again[k] {
			tries = 5
		}
		rows = append(rows, row{k.String(), fault.New(k, "No."), tries, domain.JobFailed})
	}
	b := newBench(t)
	var flows []work.Workflow
	ids := map[string]string{}
	for _, r := range rows {
		flows = append(flows, one(r.name, func(context.Context, *work.Run, *toy) error { return r.err }, nothing))
		ids[r.name] = b.plant(t, r.name, toy{})
	}
	b.start(t, work.Options{Workflows: flows})
	for _, r := range rows {
		j := b.wait(t, ids[r.name])
		if j.Status != r.status || runs(j, work.PhaseDo) != r.tries {
			t.Errorf("%s: %s after %d tries, want %s after %d", r.name, j.Status, runs(j, work.PhaseDo), r.status, r.tries)
		}
		if j.Error != fault.Public(r.err) || j.Fault != fault.KindOf(r.err).String() {
			t.Errorf("%s: error %q, fault %q", r.name, j.Error, j.Fault)
		}
	}
	if work.GiveUp(nil) != nil || work.Operator(nil) != nil {
		t.Error("no error became one")
	}
}

func TestRetriesOfAStep(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var attempts []int
	flow := work.Define("w", 1, []work.Step[toy]{
		{Name: "a", Retries: 2, Do: func(_ context.Context, r *work.Run, s *toy) error {
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, r.Attempt)
			if s.Parts != 0 {
				return work.GiveUp(errors.New("what a failed try wrote is still there"))
			}
			s.Parts = 7
			if r.Attempt == 3 {
				return nil
			}
			return fault.New(fault.Unavailable, "Not yet.")
		}},
		{Name: "b", Retries: -1, Do: func(context.Context, *work.Run, *toy) error { return errors.New("x") }},
	})
	id := b.plant(t, "w", toy{})
	b.start(t, work.Options{Workflows: []work.Workflow{flow}})
	j := b.wait(t, id)
	if fmt.Sprint(attempts) != "[1 2 3]" || j.Status != domain.JobFailed || len(j.Log) != 4 {
		t.Errorf("attempts %v, job %+v", attempts, j)
	}
	for i, r := range j.Log {
		if r.Started.IsZero() || r.Ended.Before(r.Started) || (r.Error == "") != (i == 2) {
			t.Errorf("log %d: %+v", i, r)
		}
	}
}

func TestPanicIsAnInternalFailure(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	b.start(t, work.Options{Tries: 2, Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error { panic("secret") }, nothing)}})
	j := b.wait(t, id)
	if j.Status != domain.JobFailed || j.Fault != "internal" || runs(j, work.PhaseDo) != 2 {
		t.Errorf("job: %+v", j)
	}
	if strings.Contains(j.Error, "secret") || !strings.Contains(j.Private, "secret") || !strings.Contains(j.Private, "engine_test.go") {
		t.Errorf("public %q, private %q", j.Error, j.Private)
	}
}

func TestUndoKnowsTheCause(t *testing.T) {
	b := newBench(t)
	got := make(chan error, 1)
	flow := one("w", func(_ context.Context, r *work.Run, _ *toy) error {
		if r.Cause() != nil {
			return errors.New("a cause on the way forward")
		}
		return fault.Wrap(fault.Incompatible, errors.New("secret"), "No driver.").WithHint("Add it.").WithCode("NO_DRIVER")
	}, func(_ context.Context, r *work.Run, _ *toy) error { got <- r.Cause(); return nil })
	id := b.plant(t, "w", toy{})
	b.start(t, work.Options{Workflows: []work.Workflow{flow}})
	b.wait(t, id)
	var e *fault.Error
	if err := <-got; !errors.As(err, &e) || e.Kind != fault.Incompatible || fault.Public(e) != "No driver. Add it." || e.Code != "NO_DRIVER" || e.Err != nil {
		t.Errorf("cause: %#v", e)
	}
}

func TestUndoThatKeepsFailingWaitsForAnOperator(t *testing.T) {
	b := newBench(t)
	broken := true
	flow := work.Define("w", 1, []work.Step[toy]{
		{Name: "a", Do: nothing, Undo: nothing},
		{Name: "b", Do: func(context.Context, *work.Run, *toy) error { return fault.New(fault.Incompatible, "No driver.") },
			Undo: func(context.Context, *work.Run, *toy) error {
				if broken {
					return fault.New(fault.NotFound, "The disk is stuck.")
				}
				return nil
			}},
	})
	id := b.plant(t, "w", toy{})
	e := b.start(t, work.Options{Tries: 3, Workflows: []work.Workflow{flow}})
	j := b.wait(t, id)
	if j.Status != domain.JobOperator || j.Held != domain.JobUndoing || runs(j, work.PhaseUndo) != 3 || j.Error != "No driver." || !strings.Contains(j.Private, "stuck") {
		t.Fatalf("job: %+v", j)
	}
	stop(t, e)
	broken = false
	b.restart(t)
	b.start(t, work.Options{Workflows: []work.Workflow{flow}})
	waitFor(t, b, id, func(j *domain.Job) bool { return j.Status == domain.JobFailed && j.Error == "No driver." })
}

// waitFor waits until a job is as wanted.
func waitFor(t *testing.T, b *bench, id string, ok func(*domain.Job) bool) *domain.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		changed := b.st.Changed()
		var j *domain.Job
		if err := b.st.View(ctx, func(tx store.Tx) (err error) { j, err = tx.Job(id); return err }); err != nil {
			t.Fatal(err)
		}
		if ok(j) {
			return j
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the job stays as it is: %+v", j)
		}
	}
}

func TestOperatorGoesOnWhenResumed(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	n := 0
	id := b.plant(t, "w", toy{})
	b.start(t, work.Options{Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == 1 {
			return work.Operator(errors.New("look at this"))
		}
		return nil
	}, nothing)}})
	if j := b.wait(t, id); j.Status != domain.JobOperator || j.Held != domain.JobRunning {
		t.Fatalf("job: %+v", j)
	}
	b.update(t, func(tx store.Tx) error { return store.ResumeJob(tx, id) })
	if j := b.wait(t, id); j.Status != domain.JobDone || j.Error != "" {
		t.Errorf("job: %+v", j)
	}
}

func TestUnknownWorkflowWaitsForAProgramThatKnowsIt(t *testing.T) {
	b := newBench(t)
	flow := one("new", nothing, nothing)
	byName, byVersion := b.plant(t, "newer", toy{}), b.plant(t, "new", toy{})
	b.update(t, func(tx store.Tx) error {
		j, err := tx.Job(byVersion)
		if err != nil {
			return err
		}
		j.Version = 2
		return tx.PutJob(j)
	})
	known := b.plant(t, "new", toy{})
	e := b.start(t, work.Options{Workflows: []work.Workflow{flow}})
	for _, id := range []string{byName, byVersion} {
		if j := b.wait(t, id); j.Status != domain.JobOperator || j.Fault != "unsupported" || len(j.Log) != 0 {
			t.Errorf("job: %+v", j)
		}
	}
	if j := b.wait(t, known); j.Status != domain.JobDone {
		t.Errorf("job: %+v", j)
	}
	stop(t, e)
	b.restart(t)
	v2 := work.Define("new", 2, []work.Step[toy]{{Name: "x", Do: nothing}})
	b.start(t, work.Options{Workflows: []work.Workflow{flow, v2, one("newer", nothing, nil)}})
	for _, id := range []string{byName, byVersion} {
		waitFor(t, b, id, func(j *domain.Job) bool { return j.Status == domain.JobDone && j.Error == "" })
	}
}

func TestTimeout(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	flow := work.Define("w", 1, []work.Step[toy]{{Name: "slow", Timeout: time.Millisecond, Do: func(ctx context.Context, _ *work.Run, _ *toy) error {
		<-ctx.Done()
		return ctx.Err()
	}}})
	b.start(t, work.Options{Tries: 2, Workflows: []work.Workflow{flow}})
	if j := b.wait(t, id); j.Status != domain.JobFailed || j.Fault != "unavailable" || len(j.Log) != 2 || !strings.Contains(j.Error, "slow") {
		t.Errorf("job: %+v", j)
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	now, most := map[string]int{}, map[string]int{}
	reached := make(chan string, 100)
	release := make(chan struct{})
	counting := func(name string) work.Workflow {
		return one(name, func(context.Context, *work.Run, *toy) error {
			mu.Lock()
			now[name]++
			most[name] = max(most[name], now[name])
			mu.Unlock()
			reached <- name
			<-release
			mu.Lock()
			defer mu.Unlock()
			now[name]--
			return nil
		}, nil)
	}
	var ids []string
	for range 12 {
		ids = append(ids, b.plant(t, "wide", toy{}), b.plant(t, "narrow", toy{}))
	}
	b.start(t, work.Options{Parallel: 3, Limits: map[string]int{"narrow": 1}, Workflows: []work.Workflow{counting("wide"), counting("narrow")}})
	for range 4 { // one workflow's backlog does not hold the other up
		<-reached
	}
	close(release)
	for _, id := range ids {
		if j := b.wait(t, id); j.Status != domain.JobDone {
			t.Fatalf("job: %+v", j)
		}
	}
	if most["wide"] != 3 || most["narrow"] != 1 {
		t.Errorf("at a time: %v", most)
	}
}

func TestProgressIsSeenAndRare(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	const calls = 5000
	seen := make(chan struct{})
	e := b.start(t, work.Options{ProgressEvery: time.Hour, Workflows: []work.Workflow{one("w", func(ctx context.Context, r *work.Run, _ *toy) error {
		for i := range calls {
			r.Progress(int64(i), calls, "counting")
		}
		select {
		case <-seen:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil)}})
	before := waitFor(t, b, id, func(j *domain.Job) bool { return j.Progress.Total == calls })
	if before.Progress != (domain.Progress{Done: 0, Total: calls, Note: "counting"}) {
		t.Errorf("progress: %+v", before.Progress)
	}
	close(seen)
	if j := b.wait(t, id); j.Progress != (domain.Progress{}) || j.Status != domain.JobDone {
		t.Errorf("after: %+v", j)
	}
	_ = e
}

func TestWritesCauseNoWakeStorm(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	began := time.Now()
	e := b.start(t, work.Options{ProgressEvery: 1, Workflows: []work.Workflow{one("w", func(_ context.Context, r *work.Run, _ *toy) error {
		for i := range 1000 {
			r.Progress(int64(i), 1000, "")
		}
		return nil
	}, nil)}})
	b.wait(t, id)
	if most := int(time.Since(began)/work.Gap) + 2; e.Looks() > most {
		t.Errorf("%d looks, want at most %d", e.Looks(), most)
	}
}
