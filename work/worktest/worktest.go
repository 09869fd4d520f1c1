// Package worktest breaks workflows on purpose: it fails each step, repeats
// each step, cancels at each step and crashes the engine next to each record,
// and wants the world to be whole or empty afterwards.
//
// It knows the engine but no workflow. A workflow's test brings a factory for a
// fresh world and calls All.
package worktest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

// World is everything one job acts on, with that job planted and no engine
// running.
type World struct {
	Store     func() store.Store     // the open store
	Workflows func() []work.Workflow // wired to that store; the job's is among them
	Restart   func(t testing.TB)     // closes the store and opens it again: what a new process would do
	JobID     string                 // the planted job
	Done      func(t testing.TB)     // fails t unless all is as it should be after success
	Gone      func(t testing.TB)     // fails t unless nothing is left after undoing
}

// Factory makes a fresh world that shares nothing with others, since several
// are used at the same time. It uses t.Cleanup for what must be closed.
type Factory func(t testing.TB) *World

// patience is how long one job may take in a test.
const patience = time.Minute

// All runs every helper of this package.
func All(t *testing.T, fresh Factory) {
	t.Run("succeed", func(t *testing.T) { Succeed(t, fresh) })
	t.Run("fail each", func(t *testing.T) { FailEach(t, fresh) })
	t.Run("repeat each", func(t *testing.T) { RepeatEach(t, fresh) })
	t.Run("cancel each", func(t *testing.T) { CancelEach(t, fresh) })
	t.Run("undo twice", func(t *testing.T) { UndoTwice(t, fresh) })
	t.Run("crash between", func(t *testing.T) { CrashBetween(t, fresh) })
}

// Succeed runs the job undisturbed; the other helpers mean nothing when this
// does not pass.
func Succeed(t *testing.T, fresh Factory) {
	w := fresh(t)
	w.wantDone(t, Run(t, w, nil, nil))
}

// errPlanted is the failure that FailEach and UndoTwice plant.
var errPlanted = fault.New(fault.Incompatible, "A failure was planted.")

// failAt makes one step's Do fail for good, before or after it did its work.
func failAt(step string, after bool) work.Around {
	return func(ctx context.Context, name, phase string, next func(context.Context) error) error {
		if name != step || phase != work.PhaseDo {
			return next(ctx)
		}
		if after {
			if err := next(ctx); err != nil {
				return err
			}
		}
		return work.GiveUp(errPlanted)
	}
}

// FailEach makes each step fail, once before and once after it did its work,
// and wants nothing left. Steps of no return are left out.
func FailEach(t *testing.T, fresh Factory) {
	each(t, fresh, func(t *testing.T, step string) {
		for _, after := range []bool{false, true} {
			t.Run(map[bool]string{false: "before", true: "after"}[after], func(t *testing.T) {
				t.Parallel()
				w := fresh(t)
				w.wantGone(t, Run(t, w, failAt(step, after), nil), domain.JobFailed)
			})
		}
	})
}

// RepeatEach runs each step's Do twice from the same state, as after a crash,
// and wants the same success.
func RepeatEach(t *testing.T, fresh Factory) {
	for _, step := range steps(t, fresh(t), true) {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := fresh(t)
			twice := func(ctx context.Context, name, phase string, next func(context.Context) error) error {
				if name == step && phase == work.PhaseDo {
					if err := next(ctx); err != nil {
						return err
					}
				}
				return next(ctx)
			}
			w.wantDone(t, Run(t, w, twice, nil))
		})
	}
}

// CancelEach cancels the job just before each step's Do begins its work and
// wants nothing left.
func CancelEach(t *testing.T, fresh Factory) {
	each(t, fresh, func(t *testing.T, step string) {
		t.Parallel()
		w := fresh(t)
		cancel := func(ctx context.Context, name, phase string, next func(context.Context) error) error {
			if name == step && phase == work.PhaseDo {
				err := w.Store().Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
					return store.CancelJob(tx, w.JobID, "a test")
				})
				if err != nil {
					return err
				}
				<-ctx.Done() // the engine notices while the step runs
				if err := next(ctx); err != nil {
					return err
				}
				return context.Cause(ctx)
			}
			return next(ctx)
		}
		w.wantGone(t, Run(t, w, cancel, nil), domain.JobCanceled)
	})
}

// UndoTwice fails each step after its work, runs every Undo twice, and wants
// nothing left.
func UndoTwice(t *testing.T, fresh Factory) {
	each(t, fresh, func(t *testing.T, step string) {
		t.Parallel()
		w := fresh(t)
		fail := failAt(step, true)
		around := func(ctx context.Context, name, phase string, next func(context.Context) error) error {
			if phase == work.PhaseUndo {
				if err := next(ctx); err != nil {
					return err
				}
			}
			return fail(ctx, name, phase, next)
		}
		w.wantGone(t, Run(t, w, around, nil), domain.JobFailed)
	})
}

// CrashBetween crashes the engine before and after every record the job makes,
// on the way forward and, with the last step failing, on the way back; starts a
// new one each time, and wants the same outcome as without the crash.
func CrashBetween(t *testing.T, fresh Factory) {
	t.Run("forward", func(t *testing.T) {
		crashes(t, fresh, nil, func(t *testing.T, w *World, j *domain.Job) { w.wantDone(t, j) })
	})
	names := steps(t, fresh(t), false)
	if len(names) == 0 {
		return
	}
	t.Run("backward", func(t *testing.T) {
		crashes(t, fresh, failAt(names[len(names)-1], true), func(t *testing.T, w *World, j *domain.Job) {
			w.wantGone(t, j, domain.JobFailed)
		})
	})
}

// crashes counts the points of an undisturbed run, then crashes at each.
func crashes(t *testing.T, fresh Factory, around work.Around, check func(*testing.T, *World, *domain.Job)) {
	var points []string
	w := fresh(t)
	check(t, w, Run(t, w, around, func(p work.Point) error {
		points = append(points, fmt.Sprintf("%s %s %s %s", p.Step, p.Phase, p.Record, map[bool]string{false: "before", true: "after"}[p.After]))
		return nil
	}))
	for i, name := range points {
		t.Run(fmt.Sprintf("%02d %s", i, name), func(t *testing.T) {
			t.Parallel()
			w := fresh(t)
			check(t, w, Run(t, w, around, crashAt(i)))
		})
	}
}

// crashAt crashes at the i-th point, once.
func crashAt(i int) func(work.Point) error {
	var n atomic.Int64
	return func(work.Point) error {
		if n.Add(1) == int64(i)+1 {
			return work.ErrCrash
		}
		return nil
	}
}

func each(t *testing.T, fresh Factory, f func(t *testing.T, step string)) {
	for _, step := range steps(t, fresh(t), false) {
		t.Run(step, func(t *testing.T) { f(t, step) })
	}
}

// steps names the steps of the world's job; without those that cannot be taken
// back unless all is true.
func steps(t testing.TB, w *World, all bool) []string {
	t.Helper()
	j := w.job(t)
	for _, wf := range w.Workflows() {
		if wf.Name() == j.Workflow && wf.Version() == j.Version {
			if all {
				return wf.Steps()
			}
			return wf.UndoableSteps()
		}
	}
	t.Fatalf("no workflow %s version %d", j.Workflow, j.Version)
	return nil
}

func (w *World) job(t testing.TB) (j *domain.Job) {
	t.Helper()
	err := w.Store().View(t.Context(), func(tx store.Tx) (err error) { j, err = tx.Job(w.JobID); return err })
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Run runs the world's job to its end with every workflow wrapped in around and
// the hook told about records (both may be nil). When the hook crashes the
// engine, the world is restarted and a new engine goes on.
func Run(t testing.TB, w *World, around work.Around, hook func(work.Point) error) *domain.Job {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the job did not end"))
	defer cancel()
	for {
		flows := w.Workflows()
		if around != nil {
			for i := range flows {
				flows[i] = flows[i].With(around)
			}
		}
		e := work.New(w.Store(), work.Options{Workflows: flows, Hook: hook, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Backoff: func(int) time.Duration { return time.Millisecond }})
		if err := e.Start(ctx); err != nil {
			t.Fatal(err)
		}
		j, err := Wait(ctx, w.Store(), w.JobID, e.Crashed())
		if stopErr := e.Stop(ctx); stopErr != nil {
			t.Fatal(stopErr)
		}
		switch {
		case err == nil:
			return j
		case errors.Is(err, errCrashed):
			w.Restart(t)
		default:
			t.Fatalf("job: %+v, %v", j, err)
		}
	}
}

var errCrashed = errors.New("the engine crashed")

// Wait waits until a job has ended. crashed (may be nil) ends the wait early.
func Wait(ctx context.Context, st store.Store, id string, crashed <-chan struct{}) (j *domain.Job, err error) {
	for {
		changed := st.Changed()
		err := st.View(ctx, func(tx store.Tx) (err error) { j, err = tx.Job(id); return err })
		if err != nil || j.Status.Ended() {
			return j, err
		}
		select {
		case <-changed:
		case <-crashed:
			return j, errCrashed
		case <-ctx.Done():
			return j, context.Cause(ctx)
		}
	}
}

func (w *World) wantDone(t testing.TB, j *domain.Job) {
	t.Helper()
	if j.Status != domain.JobDone {
		t.Fatalf("the job ended as %s: %s (%s)", j.Status, j.Error, j.Private)
	}
	w.Done(t)
}

func (w *World) wantGone(t testing.TB, j *domain.Job, status domain.JobStatus) {
	t.Helper()
	if j.Status != status {
		t.Fatalf("the job ended as %s, not %s: %s (%s)", j.Status, status, j.Error, j.Private)
	}
	w.Gone(t)
}
