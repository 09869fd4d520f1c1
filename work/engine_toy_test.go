package work_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/work"
	"slipway/work/worktest"
)

// toy is the state of the toy workflow, which makes two things in a world
// outside the store and then says that the snapshot is sealed.
type toy struct {
	Name  string
	Parts int
}

// yard is the outside world of the toy workflow: it outlives engines.
type yard struct {
	mu     sync.Mutex
	things map[string]int // how often each was made
}

func (y *yard) make(name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.things == nil {
		y.things = map[string]int{}
	}
	y.things[name]++
}

func (y *yard) drop(name string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.things, name)
}

func (y *yard) list() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var out []string
	for n := range y.things {
		out = append(out, n)
	}
	return out
}

// bench is a store with one job's subject in it.
type bench struct {
	dir  string
	st   store.Store
	yard yard
	ids  domain.IDs
}

var subject = domain.Key{Scope: domain.Scope{Account: "1", Region: "eu"}, Kind: domain.KindSnapshot, Name: "snap-1"}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), ids: domain.RandomIDs}
	b.open(t)
	t.Cleanup(func() { _ = b.st.Close() })
	b.update(t, func(tx store.Tx) error {
		n := &domain.Snapshot{Meta: domain.Meta{Key: subject}}
		if err := tx.Insert(n); err != nil {
			return err
		}
		_, err := tx.Move(subject, domain.SnapshotAskComplete, "", nil)
		return err
	})
	return b
}

func (b *bench) open(t testing.TB) {
	t.Helper()
	st, err := sqlite.Open(b.dir, sqlite.Options{Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	b.st = st
}

func (b *bench) restart(t testing.TB) {
	t.Helper()
	if err := b.st.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(t)
}

func (b *bench) update(t testing.TB, f func(store.Tx) error) {
	t.Helper()
	if err := b.st.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) state(t testing.TB) domain.State {
	t.Helper()
	n := &domain.Snapshot{}
	if err := b.st.View(t.Context(), func(tx store.Tx) error { return tx.Get(subject, n) }); err != nil {
		t.Fatal(err)
	}
	return n.State
}

// plant queues a job and returns its id.
func (b *bench) plant(t testing.TB, wf string, state any) string {
	t.Helper()
	j, err := domain.NewJob(b.ids, time.Now(), wf, 1, subject, state)
	if err != nil {
		t.Fatal(err)
	}
	b.update(t, func(tx store.Tx) error { return tx.PutJob(j) })
	return j.ID
}

// start runs an engine until the test ends.
func (b *bench) start(t testing.TB, o work.Options) *work.Engine {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if o.Backoff == nil {
		o.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	e := work.New(b.st, o)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, e) })
	return e
}

func stop(t testing.TB, e *work.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// wait waits for a job's end.
func (b *bench) wait(t testing.TB, id string) *domain.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	j, err := worktest.Wait(ctx, b.st, id, nil)
	if err != nil {
		t.Fatalf("waiting: %v, job %+v", err, j)
	}
	return j
}

func (b *bench) cancel(t testing.TB, id string) {
	t.Helper()
	b.update(t, func(tx store.Tx) error { return store.CancelJob(tx, id, "somebody asked") })
}

func (b *bench) toy() work.Workflow {
	return work.Define("toy", 1, []work.Step[toy]{
		{Name: "choose", Do: func(_ context.Context, r *work.Run, s *toy) error {
			s.Name = "thing-of-" + r.Job().ID
			return nil
		}, Undo: func(ctx context.Context, r *work.Run, _ *toy) error {
			if r.Cause() == nil {
				return errors.New("undoing without a cause")
			}
			return b.st.Update(ctx, func(tx store.Tx) error {
				_, err := tx.Move(subject, domain.SnapshotBroke, fault.Public(r.Cause()), nil)
				return err
			})
		}},
		{Name: "think", Do: func(context.Context, *work.Run, *toy) error { return nil }},
		{Name: "build", Do: func(_ context.Context, r *work.Run, s *toy) error {
			for i := range 3 {
				b.yard.make(fmt.Sprint(s.Name, i))
				r.Progress(int64(i), 3, "building")
			}
			s.Parts = 3
			return nil
		}, Undo: func(_ context.Context, _ *work.Run, s *toy) error {
			for i := range 3 { // Parts is not known when Do did not end
				b.yard.drop(fmt.Sprint(s.Name, i))
			}
			return nil
		}},
		{Name: "paint", Do: func(_ context.Context, _ *work.Run, s *toy) error {
			if s.Parts != 3 {
				return fmt.Errorf("parts %d", s.Parts)
			}
			b.yard.make("paint")
			return nil
		}, Undo: func(context.Context, *work.Run, *toy) error { b.yard.drop("paint"); return nil }},
		{Name: "publish", NoReturn: true, Do: func(ctx context.Context, _ *work.Run, _ *toy) error {
			return b.st.Update(ctx, func(tx store.Tx) error {
				_, err := tx.Move(subject, domain.SnapshotSealed, "", nil)
				return err
			})
		}},
	})
}

func TestToyWorkflowSurvivesEverything(t *testing.T) {
	worktest.All(t, func(t testing.TB) *worktest.World {
		b := newBench(t)
		id := b.plant(t, "toy", toy{})
		return &worktest.World{
			Store: func() store.Store { return b.st }, Restart: b.restart, JobID: id,
			Workflows: func() []work.Workflow { return []work.Workflow{b.toy()} },
			Done: func(t testing.TB) {
				if n := len(b.yard.list()); n != 4 || b.state(t) != domain.SnapshotCompleted {
					t.Errorf("%d things, state %s", n, b.state(t))
				}
			},
			Gone: func(t testing.TB) {
				if l := b.yard.list(); len(l) != 0 || b.state(t) != domain.SnapshotError {
					t.Errorf("left: %v, state %s", l, b.state(t))
				}
			},
		}
	})
}
