package work

import (
	"context"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// strays is how many due jobs of any workflow are looked at to find some of an
// unknown workflow.
const strays = 64

func (e *Engine) knows(j *domain.Job) bool {
	_, ok := e.flows[j.Workflow][j.Version]
	return ok
}

// adopt gives jobs that wait for an operator another chance when the program
// knows their workflow.
func (e *Engine) adopt(ctx context.Context) error {
	return e.store.Update(ctx, func(tx store.Tx) error {
		jobs, err := tx.Jobs(store.JobQuery{Statuses: []domain.JobStatus{domain.JobOperator}})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if !e.knows(j) {
				e.opts.Log.Warn("a job waits for a program that knows its workflow", "job", j.ID, "workflow", j.Workflow, "version", j.Version)
				continue
			}
			if err := store.ResumeJob(tx, j.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// look starts the jobs that are due and have a free slot, tells running ones
// that they were cancelled, and answers how long until it must be called again
// when nothing happens.
func (e *Engine) look() (time.Duration, error) {
	e.mu.Lock()
	e.looks++
	running := map[string]string{}
	for id, a := range e.active {
		running[id] = a.workflow
	}
	e.mu.Unlock()

	now := e.opts.Clock.Now()
	var due, cancelled []*domain.Job
	err := e.store.View(e.stopping, func(tx store.Tx) error {
		for id := range running {
			if j, err := tx.Job(id); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			} else if err == nil && j.Cancel != "" {
				cancelled = append(cancelled, j)
			}
		}
		for name := range e.flows {
			// Those that run already are due as well and come first.
			jobs, err := tx.Jobs(store.JobQuery{Workflow: name, Due: now, Limit: 2 * e.limit(name)})
			if err != nil {
				return err
			}
			due = append(due, jobs...)
		}
		jobs, err := tx.Jobs(store.JobQuery{Due: now, Limit: strays})
		for _, j := range jobs {
			if e.flows[j.Workflow] == nil {
				due = append(due, j)
			}
		}
		return err
	})
	if err != nil {
		return tick, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range cancelled {
		if a := e.active[j.ID]; a != nil && a.cancel != nil {
			a.cancel(canceled(j))
		}
	}
	for _, j := range due {
		e.claim(j)
	}
	return e.untilNext(now), nil
}

func canceled(j *domain.Job) error {
	return fault.New(fault.Canceled, "It was canceled: %s", j.Cancel)
}

func (e *Engine) limit(workflow string) int {
	if n := e.opts.Limits[workflow]; n > 0 {
		return n
	}
	return e.opts.Parallel
}

// claim starts a goroutine for a job when it has none and a slot is free, or it
// was cancelled and has only to be undone: nobody waits for others with that. That
// it is ours is written down with the first record; until then memory is
// enough, since one process owns the store. e.mu is held.
func (e *Engine) claim(j *domain.Job) {
	if e.active[j.ID] != nil || e.stopping.Err() != nil {
		return
	}
	n := 0
	for _, a := range e.active {
		if a.workflow == j.Workflow {
			n++
		}
	}
	if n >= e.limit(j.Workflow) && !e.turns(j) {
		return
	}
	delete(e.wakes, j.ID)
	e.active[j.ID] = &active{workflow: j.Workflow}
	e.wg.Go(func() {
		defer e.release(j.ID)
		e.work(j.ID)
	})
}

// turns tells whether a job does nothing more but to undo what it did.
func (e *Engine) turns(j *domain.Job) bool {
	w, ok := e.flows[j.Workflow][j.Version]
	return ok && j.Cancel != "" && (j.Status == domain.JobUndoing || !e.beyondReturn(w, j))
}

func (e *Engine) release(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, id)
	select {
	case e.nudge <- struct{}{}:
	default: // a nudge is under way already
	}
}

// wakeAt remembers when a job wants to be tried again.
func (e *Engine) wakeAt(id string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wakes[id] = at
}

// untilNext is how long nothing is due; e.mu is held.
func (e *Engine) untilNext(now time.Time) time.Duration {
	d := tick
	for id, at := range e.wakes {
		if left := at.Sub(now); left > 0 {
			d = min(d, left)
		} else {
			// Looked for just now: it runs, waits for a slot, or is gone.
			delete(e.wakes, id)
		}
	}
	return d
}
