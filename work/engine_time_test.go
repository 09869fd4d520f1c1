package work_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

// memory is a store of jobs alone, without I/O, for tests in which time is not
// the machine's.
type memory struct {
	store.Store
	mu      sync.Mutex
	jobs    map[string]json.RawMessage
	changed chan struct{}
}

func newMemory() *memory {
	return &memory{jobs: map[string]json.RawMessage{}, changed: make(chan struct{})}
}

func (m *memory) Epoch() int64 { return 1 }

func (m *memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

func (m *memory) View(_ context.Context, f func(store.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(&memoryTx{m: m})
}

func (m *memory) Update(_ context.Context, f func(store.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &memoryTx{m: m}
	err := f(t)
	if t.wrote {
		close(m.changed)
		m.changed = make(chan struct{})
	}
	return err
}

type memoryTx struct {
	store.Tx
	m     *memory
	wrote bool
}

func (t *memoryTx) Now() time.Time { return time.Now() }

func (t *memoryTx) PutJob(j *domain.Job) (err error) {
	t.wrote = true
	t.m.jobs[j.ID], err = json.Marshal(j)
	return err
}

func (t *memoryTx) Job(id string) (*domain.Job, error) {
	if t.m.jobs[id] == nil {
		return nil, fault.New(fault.NotFound, "No job %s.", id)
	}
	j := &domain.Job{}
	return j, json.Unmarshal(t.m.jobs[id], j)
}

func (t *memoryTx) Jobs(q store.JobQuery) (out []*domain.Job, err error) {
	for id := range t.m.jobs {
		j, err := t.Job(id)
		if err != nil {
			return nil, err
		}
		if !q.Due.IsZero() && !j.Status.Ended() && (q.Workflow == "" || q.Workflow == j.Workflow) && !j.NextRun.After(q.Due) {
			out = append(out, j)
		}
	}
	return out, nil
}

func TestBackoffAndIdling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var at []time.Duration
		began := time.Now()
		flow := one("w", func(context.Context, *work.Run, *toy) error {
			at = append(at, time.Since(began))
			return errors.New("x")
		}, nothing)
		e := work.New(m, work.Options{Workflows: []work.Workflow{flow}, Tries: 10})
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		j, err := domain.NewJob(domain.RandomIDs, time.Now(), "w", 1, subject, toy{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Update(t.Context(), func(tx store.Tx) error { return tx.PutJob(j) }); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if len(at) != 10 {
			t.Fatalf("%d tries at %v", len(at), at)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			want *= time.Second
			if got := at[i+1] - at[i]; got < want || got > want+3*work.Gap {
				t.Errorf("wait %d: %v, want %v", i+1, got, want)
			}
		}
		looks := e.Looks()
		<-time.After(10 * time.Minute)
		if n := e.Looks() - looks; n > 600 {
			t.Errorf("%d looks in ten idle minutes", n)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
