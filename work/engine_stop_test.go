package work_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

// blocking is a Do that says that it runs and waits for its context's end.
func blocking(began chan<- error) func(context.Context, *work.Run, *toy) error {
	return func(ctx context.Context, _ *work.Run, _ *toy) error {
		began <- nil
		<-ctx.Done()
		began <- context.Cause(ctx)
		return ctx.Err()
	}
}

func TestStopAndStart(t *testing.T) {
	b := newBench(t)
	never := work.New(b.st, work.Options{})
	stop(t, never)
	stop(t, never)
	if err := never.Start(t.Context()); err == nil {
		t.Error("started after Stop")
	}
	e := work.New(b.st, work.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx); err == nil {
		t.Error("started twice")
	}
	cancel()
	stop(t, e)
	stop(t, e)
}

func TestInterruptedStepLosesNoTry(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	began := make(chan error, 2)
	for range 3 {
		e := b.start(t, work.Options{Tries: 1, Workflows: []work.Workflow{one("w", blocking(began), nothing)}})
		<-began
		stop(t, e)
		if cause := <-began; !errors.Is(cause, work.ErrStopping) {
			t.Errorf("cause: %v", cause)
		}
		b.restart(t)
	}
	b.start(t, work.Options{Tries: 1, Workflows: []work.Workflow{one("w", func(_ context.Context, r *work.Run, _ *toy) error {
		if r.Attempt != 1 {
			return work.GiveUp(errors.New("a try was lost"))
		}
		return nil
	}, nothing)}})
	j := b.wait(t, id)
	if j.Status != domain.JobDone || len(j.Log) != 4 {
		t.Errorf("job: %+v", j)
	}
	for i, r := range j.Log {
		if r.Ended.IsZero() || (r.Error == "") != (i == 3) {
			t.Errorf("log %d: %+v", i, r)
		}
	}
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	b := newBench(t)
	b.plant(t, "w", toy{})
	began, release := make(chan struct{}), make(chan struct{})
	e := b.start(t, work.Options{Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error {
		close(began)
		<-release
		return nil
	}, nil)}})
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Stop(ctx); !fault.Is(err, fault.Unavailable) {
		t.Errorf("stop: %v", err)
	}
	close(release)
	stop(t, e)
}

func TestCancelWhileQueued(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	b.cancel(t, id)
	undone := make(chan error, 1)
	b.start(t, work.Options{Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error { return errors.New("it ran") },
		func(_ context.Context, r *work.Run, _ *toy) error { undone <- r.Cause(); return nil })}})
	if j := b.wait(t, id); j.Status != domain.JobCanceled || len(j.Log) != 1 || j.Fault != "canceled" {
		t.Errorf("job: %+v", j)
	}
	if err := <-undone; !fault.Is(err, fault.Canceled) {
		t.Errorf("cause: %v", err)
	}
	if err := b.st.Update(t.Context(), func(tx store.Tx) error { return store.CancelJob(tx, id, "") }); !fault.Is(err, fault.WrongState) {
		t.Errorf("cancelling what has ended: %v", err)
	}
}

// TestCancelWhileWaitingForASlot: what has only to be undone waits for nobody,
// also behind more jobs than are looked at.
func TestCancelWhileWaitingForASlot(t *testing.T) {
	b := newBench(t)
	began, gate := make(chan string, 20), make(chan struct{})
	b.start(t, work.Options{Parallel: 1, Workflows: []work.Workflow{one("w", func(_ context.Context, r *work.Run, _ *toy) error {
		began <- r.Job().ID
		<-gate
		return nil
	}, nothing)}})
	first := b.plant(t, "w", toy{})
	if id := <-began; id != first {
		t.Fatalf("%s began", id)
	}
	var ids []string
	for range 10 {
		ids = append(ids, b.plant(t, "w", toy{}))
	}
	last := ids[len(ids)-1]
	b.cancel(t, last)
	if j := b.wait(t, last); j.Status != domain.JobCanceled {
		t.Errorf("job: %+v", j)
	}
	if len(began) != 0 {
		t.Errorf("%s began beside the first", <-began)
	}
	close(gate)
	for _, id := range append(ids[:len(ids)-1], first) {
		if j := b.wait(t, id); j.Status != domain.JobDone {
			t.Errorf("job: %+v", j)
		}
	}
}

func TestCancelWhileAStepRuns(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	began := make(chan error, 2)
	b.start(t, work.Options{Workflows: []work.Workflow{one("w", blocking(began), nothing)}})
	<-began
	b.cancel(t, id)
	if cause := <-began; !fault.Is(cause, fault.Canceled) {
		t.Errorf("cause: %v", cause)
	}
	if j := b.wait(t, id); j.Status != domain.JobCanceled || runs(j, work.PhaseUndo) != 1 {
		t.Errorf("job: %+v", j)
	}
}

func TestCancelWhileWaitingForTheNextTry(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	b.start(t, work.Options{Backoff: func(int) time.Duration { return time.Hour },
		Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error { return errors.New("x") }, nothing)}})
	waitFor(t, b, id, func(j *domain.Job) bool { return len(j.Log) == 1 && !j.Log[0].Ended.IsZero() })
	b.cancel(t, id)
	if j := b.wait(t, id); j.Status != domain.JobCanceled {
		t.Errorf("job: %+v", j)
	}
}

func TestCancelDoesNotReachAnUndo(t *testing.T) {
	b := newBench(t)
	id := b.plant(t, "w", toy{})
	began, release := make(chan struct{}), make(chan struct{})
	b.start(t, work.Options{Workflows: []work.Workflow{one("w", func(context.Context, *work.Run, *toy) error { return fault.New(fault.Quota, "Full.") },
		func(ctx context.Context, _ *work.Run, _ *toy) error {
			close(began)
			<-release
			return ctx.Err()
		})}})
	<-began
	b.cancel(t, id)
	close(release)
	if j := b.wait(t, id); j.Status != domain.JobFailed || j.Fault != "quota" || runs(j, work.PhaseUndo) != 1 {
		t.Errorf("job: %+v", j)
	}
}

func TestNoReturn(t *testing.T) {
	b := newBench(t)
	began, release := make(chan struct{}), make(chan struct{})
	flow := func(name string, do func(context.Context, *work.Run, *toy) error) work.Workflow {
		return work.Define(name, 1, []work.Step[toy]{
			{Name: "a", Do: nothing, Undo: func(context.Context, *work.Run, *toy) error { return errors.New("undone") }},
			{Name: "b", Do: do, NoReturn: true}, {Name: "c", Do: nothing},
		})
	}
	cancelled, broken := b.plant(t, "cancelled", toy{}), b.plant(t, "broken", toy{})
	b.start(t, work.Options{Workflows: []work.Workflow{
		flow("cancelled", func(ctx context.Context, _ *work.Run, _ *toy) error { close(began); <-release; return ctx.Err() }),
		flow("broken", func(context.Context, *work.Run, *toy) error { return fault.New(fault.Quota, "Full.") })}})
	<-began
	b.cancel(t, cancelled)
	close(release)
	if j := b.wait(t, cancelled); j.Status != domain.JobDone {
		t.Errorf("cancelled: %+v", j)
	}
	if j := b.wait(t, broken); j.Status != domain.JobOperator || j.Held != domain.JobRunning {
		t.Errorf("broken: %+v", j)
	}
}
