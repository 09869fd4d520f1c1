package work

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Run is one run of a step, as the step sees it.
type Run struct {
	Log     *slog.Logger // carries job, step and attempt
	Attempt int          // of this step, from 1; a run repeated after a crash has the same

	e   *Engine
	job *domain.Job

	mu   sync.Mutex
	last time.Time // of the last progress write
}

// Job is the job as it was recorded before this run: a copy, and its State is
// what the run began with.
func (r *Run) Job() domain.Job { return *r.job }

// Cause is why the job is being undone, fit to be shown: a *fault.Error with
// kind, sentence and code (Canceled when somebody asked). nil while it goes
// forward.
func (r *Run) Cause() error {
	if r.job.Status != domain.JobUndoing {
		return nil
	}
	return causeOf(r.job)
}

// Progress tells how far the step is: bytes or units, total 0 when unknown, and
// a note for people. It may be called as often as one likes, from any
// goroutine, but not in a store transaction; only some of the calls are
// written.
func (r *Run) Progress(done, total int64, note string) {
	if r.e == nil {
		return // outside a job: nobody keeps it
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.e.opts.Clock.Now()
	if !r.last.IsZero() && now.Sub(r.last) < r.e.opts.ProgressEvery || r.e.dead() {
		return
	}
	r.last = now
	err := r.e.store.Update(context.Background(), func(tx store.Tx) error {
		j, err := r.e.mine(tx, r.job)
		if err != nil {
			return err
		}
		j.Progress = domain.Progress{Done: done, Total: total, Note: note}
		return tx.PutJob(j)
	})
	if err != nil && !errors.Is(err, errNotOurs) {
		r.Log.Warn("progress was not written", "err", err)
	}
}

// errNotOurs means that the job went on without us, or is over.
var errNotOurs = errors.New("the job is not ours any more")

// mine reads a job for writing and refuses when it is not where we left it:
// same status, step and process.
func (e *Engine) mine(tx store.Tx, was *domain.Job) (*domain.Job, error) {
	j, err := tx.Job(was.ID)
	if err != nil {
		return nil, err
	}
	if j.Epoch != e.epoch || j.Status != was.Status || j.Step != was.Step || j.Attempt != was.Attempt {
		return nil, errNotOurs
	}
	return j, nil
}

// work runs a job's steps until it ends, must wait, or the engine stops.
func (e *Engine) work(id string) {
	for e.stopping.Err() == nil {
		ctx, cancel := context.WithCancelCause(e.stopping)
		more, err := e.once(ctx, cancel, id)
		cancel(nil)
		if err != nil {
			// The store is in trouble. The step runs again: it is repeatable.
			e.opts.Log.Error("a job could not be recorded", "job", id, "err", err)
			select {
			case <-time.After(tick):
			case <-e.stopping.Done():
			}
			return
		}
		if !more {
			return
		}
	}
}

// once runs one step once: record, run, record.
func (e *Engine) once(ctx context.Context, cancel context.CancelCauseFunc, id string) (more bool, err error) {
	// Known to look before the job is read: a cancellation that comes after the
	// reading finds the context.
	e.mu.Lock()
	e.active[id].cancel = cancel
	e.mu.Unlock()

	j, err := e.begin(id)
	if j == nil || err != nil {
		return false, err
	}
	phase := phaseOf(j.Status)
	st := e.flows[j.Workflow][j.Version].steps[j.Step]
	f := st.do
	if phase == PhaseUndo {
		f = st.undo
	}
	if phase == PhaseUndo || st.noReturn {
		ctx = e.stopping // out of reach of a cancellation
	}
	if st.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, st.timeout, errTimeout)
		defer stop()
	}
	log := e.opts.Log.With("job", j.ID, "workflow", j.Workflow, "step", st.name, "phase", phase, "attempt", j.Attempt)
	r := &Run{Log: log, Attempt: j.Attempt, e: e, job: j}
	state, err := call(ctx, f, r, j.State)
	if err != nil && errors.Is(context.Cause(ctx), errTimeout) {
		err = fault.Wrap(fault.Unavailable, err, "The step %s took longer than %s.", st.name, st.timeout)
	}
	return e.end(ctx, r, st, state, err)
}

// begin records that the next step of a job starts. A nil job means that there
// is nothing to run now.
func (e *Engine) begin(id string) (*domain.Job, error) {
	if ok, err := e.foretell(id); !ok || err != nil {
		return nil, err
	}
	var j *domain.Job
	run := false
	err := e.store.Update(context.Background(), func(tx store.Tx) (err error) {
		if j, err = tx.Job(id); err != nil || j.Epoch > e.epoch {
			return err
		}
		changed := false
		if run, changed = e.next(j, tx.Now()); !changed {
			return nil
		}
		return tx.PutJob(j)
	})
	if err != nil {
		return nil, err
	}
	if !run || !e.tell(started(j, true)) {
		return nil, nil
	}
	return j, nil
}

func started(j *domain.Job, after bool) Point {
	return Point{Job: j.ID, Step: j.StepName, Phase: phaseOf(j.Status), Attempt: j.Attempt, Record: Started, After: after}
}

// foretell tells the hook what begin is about to record.
func (e *Engine) foretell(id string) (bool, error) {
	if e.opts.Hook == nil {
		return true, nil
	}
	var j *domain.Job
	err := e.store.View(context.Background(), func(tx store.Tx) (err error) { j, err = tx.Job(id); return err })
	if err != nil {
		return false, err
	}
	if run, _ := e.next(j, e.opts.Clock.Now()); !run {
		return true, nil
	}
	return e.tell(started(j, false)), nil
}

// next works out what a job does next and writes it into j: run a step, end, or
// wait for somebody.
func (e *Engine) next(j *domain.Job, now time.Time) (run, changed bool) {
	if j.Status.Ended() || j.Epoch > e.epoch {
		return false, false
	}
	w, ok := e.flows[j.Workflow][j.Version]
	if !ok {
		e.opts.Log.Error("a job of an unknown workflow waits for an operator", "job", j.ID, "workflow", j.Workflow, "version", j.Version)
		err := fault.New(fault.Unsupported, "This version of the program does not know the workflow %s (version %d).", j.Workflow, j.Version)
		e.hold(j, err)
		return false, true
	}
	if j.Status == domain.JobQueued {
		j.Status, j.Step, j.Began, j.Attempt = domain.JobRunning, 0, false, 0
	}
	if j.Status == domain.JobRunning && j.Cancel != "" && !e.beyondReturn(w, j) {
		e.turn(j, canceled(j))
	}
	for j.Status == domain.JobUndoing && j.Step >= 0 && (j.Step >= len(w.steps) || w.steps[j.Step].undo == nil) {
		j.Step, j.Began, j.Attempt, j.NextRun = j.Step-1, false, 0, now
	}
	if e.finish(w, j) {
		return false, true
	}
	if j.NextRun.After(now) {
		e.wakeAt(j.ID, j.NextRun)
		return false, false
	}
	if open := len(j.Log) - 1; open >= 0 && j.Log[open].Ended.IsZero() {
		j.Log[open].Ended, j.Log[open].Error = now, "interrupted: the server ended"
	}
	// Began: that run was cut short by the end of the process, so this is the
	// same try once more.
	if !j.Began || j.Attempt == 0 {
		j.Attempt++
	}
	j.Began, j.StepName, j.Epoch, j.Progress = true, w.steps[j.Step].name, e.epoch, domain.Progress{}
	j.Log = append(j.Log, domain.StepRun{Step: j.StepName, Phase: phaseOf(j.Status), Attempt: j.Attempt, Started: now})
	if len(j.Log) > maxLog {
		j.Log = j.Log[len(j.Log)-maxLog:]
	}
	return true, true
}

// maxLog bounds a job's log: a server that keeps dying must not grow it for ever.
const maxLog = 200

// beyondReturn tells whether a step that cannot be taken back was started.
func (e *Engine) beyondReturn(w Workflow, j *domain.Job) bool {
	for i, s := range w.steps {
		if s.noReturn && (j.Step > i || j.Step == i && (j.Began || j.Attempt > 0)) {
			return true
		}
	}
	return false
}

// turn makes a job go backwards, from the step it is at.
func (e *Engine) turn(j *domain.Job, why error) {
	blame(j, why)
	j.Status, j.Began, j.Attempt, j.NextRun = domain.JobUndoing, false, 0, time.Time{}
}

// hold leaves a job to an operator.
func (e *Engine) hold(j *domain.Job, why error) {
	if j.Error == "" {
		blame(j, why)
	} else {
		j.Private = why.Error() + "; undoing because of: " + j.Error
	}
	j.Held, j.Status, j.Epoch = j.Status, domain.JobOperator, 0
}

// finish ends a job that has nothing left to do.
func (e *Engine) finish(w Workflow, j *domain.Job) bool {
	switch {
	case j.Status == domain.JobRunning && j.Step >= len(w.steps):
		j.Status = domain.JobDone
	case j.Status == domain.JobUndoing && j.Step < 0:
		j.Status = domain.JobFailed
		if j.Fault == fault.Canceled.String() && j.Cancel != "" {
			j.Status = domain.JobCanceled
		}
	default:
		return false
	}
	j.StepName, j.Began, j.Progress = "", false, domain.Progress{}
	return true
}

// end records how a run went; more means that the next one may follow at once.
func (e *Engine) end(ctx context.Context, r *Run, st step, state json.RawMessage, runErr error) (more bool, err error) {
	p := Point{Job: r.job.ID, Step: st.name, Phase: phaseOf(r.job.Status), Attempt: r.Attempt, Record: Ended, Err: runErr}
	if !e.tell(p) {
		return false, nil
	}
	var j *domain.Job
	err = e.store.Update(context.Background(), func(tx store.Tx) (err error) {
		if j, err = e.mine(tx, r.job); err != nil {
			return err
		}
		e.settle(ctx, j, st, state, runErr, tx.Now())
		return tx.PutJob(j)
	})
	if errors.Is(err, errNotOurs) {
		r.Log.Warn("a job went on without us")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch {
	case runErr == nil:
		r.Log.Debug("step done")
	case j.Status == domain.JobOperator:
		r.Log.Error("job waits for an operator", "err", runErr)
	default:
		r.Log.Warn("step failed", "err", runErr, "next", j.Status, "not before", j.NextRun)
	}
	p.After = true
	if !e.tell(p) || j.Status.Ended() {
		return false, nil
	}
	if j.NextRun.After(e.opts.Clock.Now()) {
		e.wakeAt(j.ID, j.NextRun)
		return false, nil // the slot is free meanwhile
	}
	return true, nil
}

// settle writes the outcome of a run into j.
func (e *Engine) settle(ctx context.Context, j *domain.Job, st step, state json.RawMessage, runErr error, now time.Time) {
	entry := &j.Log[len(j.Log)-1]
	entry.Ended = now
	w := e.flows[j.Workflow][j.Version]
	if runErr == nil {
		j.State, j.Began, j.Attempt, j.NextRun = state, false, 0, now
		if j.Status == domain.JobUndoing {
			j.Step--
		} else {
			j.Step++
		}
		e.finish(w, j)
		return
	}
	entry.Error = fault.Public(runErr)
	if errors.Is(context.Cause(ctx), ErrStopping) {
		// Began stays: the same try runs again at the next start.
		entry.Error = "interrupted: the server stopped"
		return
	}
	undoing := j.Status == domain.JobUndoing
	if !undoing && j.Cancel != "" && !st.noReturn && !e.beyondReturn(w, j) {
		e.turn(j, canceled(j))
		j.Private = runErr.Error()
		return
	}
	v := judge(runErr)
	if undoing && !errors.As(runErr, new(*judged)) {
		v = retry // giving up is no way to be rid of what is left
	}
	if v == retry && j.Attempt < e.tries(st, undoing) {
		j.Began, j.NextRun = false, now.Add(e.opts.Backoff(j.Attempt))
		if !undoing {
			j.Private = runErr.Error()
		}
		return
	}
	if undoing || v == operator || e.beyondReturn(w, j) {
		e.hold(j, runErr)
		return
	}
	e.turn(j, runErr)
}

// tries is how often a step may run.
func (e *Engine) tries(st step, undoing bool) int {
	switch {
	case undoing || st.retries == 0:
		return e.opts.Tries
	case st.retries < 0:
		return 1
	default:
		return st.retries + 1
	}
}
