// Package work does what happens after the answer has been sent: it runs jobs,
// which are lists of steps with an undo for each, and survives being killed
// between any two instructions.
//
// engine.go, claim.go, run.go and step.go are the engine and know no noun; each
// workflow has a file of its own. Nothing here answers requests or decides who
// may do what; services plant jobs in the store, and that is how the two meet.
package work

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"slipway/domain"
	"slipway/fault"
)

// Step is one step of a workflow whose steps share a state S.
//
// Do and Undo are repeatable: after a crash they run again from the state that
// was recorded before them, so names and ids they make must come from that
// state (choose them in a step of their own). What a Do that failed wrote into
// S is forgotten. Undo may run after a whole Do, after half of one, or when Do
// never ran. Both stop soon after their context ends.
type Step[S any] struct {
	Name string
	Do   func(ctx context.Context, r *Run, s *S) error
	Undo func(ctx context.Context, r *Run, s *S) error // nil: nothing to undo

	Retries int           // how often a failed Do is tried again; 0: the engine's default, negative: never
	Timeout time.Duration // of one run of Do or Undo; 0: none
	// NoReturn marks the step that makes the outcome visible: once it was
	// started the job only goes forward. Cancelling is not heeded any more, and
	// where other steps would be undone this one waits for an operator.
	NoReturn bool
}

// Workflow is a list of steps, whatever their state's type. Jobs name it and
// its version; a change that a job begun with the old steps could not survive
// needs a new version (and the old one kept while such jobs may exist).
type Workflow struct {
	name    string
	version int
	steps   []step
}

// stepFunc is a Do or Undo with the state's type taken away: recorded state in,
// state to record out.
type stepFunc func(ctx context.Context, r *Run, state json.RawMessage) (json.RawMessage, error)

type step struct {
	name     string
	do, undo stepFunc // undo may be nil
	retries  int
	timeout  time.Duration
	noReturn bool
}

// Define makes a workflow. Steps without name or Do, or with the same name
// twice, are a mistake in the program and panic.
func Define[S any](name string, version int, steps []Step[S]) Workflow {
	w := Workflow{name: name, version: version}
	seen := map[string]bool{}
	for _, s := range steps {
		if s.Name == "" || s.Do == nil || seen[s.Name] {
			panic(fmt.Sprintf("workflow %s: step %q needs a name of its own and a Do", name, s.Name))
		}
		seen[s.Name] = true
		w.steps = append(w.steps, step{name: s.Name, do: erase(s.Do), undo: erase(s.Undo),
			retries: s.Retries, timeout: s.Timeout, noReturn: s.NoReturn})
	}
	return w
}

func erase[S any](f func(context.Context, *Run, *S) error) stepFunc {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, r *Run, state json.RawMessage) (json.RawMessage, error) {
		var s S
		if len(state) > 0 {
			if err := json.Unmarshal(state, &s); err != nil {
				return nil, GiveUp(fault.Wrap(fault.Internal, err, "The job's state cannot be read."))
			}
		}
		if err := f(ctx, r, &s); err != nil {
			return nil, err
		}
		out, err := json.Marshal(s)
		if err != nil {
			return nil, GiveUp(fault.Wrap(fault.Internal, err, "The job's state cannot be written."))
		}
		return out, nil
	}
}

// Name is the workflow's name, as jobs store it.
func (w Workflow) Name() string { return w.name }

// Version is the workflow's version, as jobs store it.
func (w Workflow) Version() int { return w.version }

// Steps lists the steps' names in order.
func (w Workflow) Steps() []string {
	out := make([]string, len(w.steps))
	for i, s := range w.steps {
		out[i] = s.name
	}
	return out
}

// UndoableSteps lists the names of the steps before the point of no return.
func (w Workflow) UndoableSteps() []string {
	var out []string
	for _, s := range w.steps {
		if s.noReturn {
			break
		}
		out = append(out, s.name)
	}
	return out
}

// Phases of a step's run, as they stand in a job's log.
const (
	PhaseDo   = "do"
	PhaseUndo = "undo"
)

// Around is called in place of a step's Do or Undo and calls next, which is
// that function: once, never, or again (from the same state each time; the last
// result counts).
type Around func(ctx context.Context, step, phase string, next func(context.Context) error) error

// With is the workflow with f around each Do and Undo. Steps without an Undo
// stay without.
func (w Workflow) With(f Around) Workflow {
	out := w
	out.steps = make([]step, len(w.steps))
	for i, s := range w.steps {
		s.do = surround(f, s.name, PhaseDo, s.do)
		if s.undo != nil {
			s.undo = surround(f, s.name, PhaseUndo, s.undo)
		}
		out.steps[i] = s
	}
	return out
}

func surround(f Around, name, phase string, inner stepFunc) stepFunc {
	return func(ctx context.Context, r *Run, state json.RawMessage) (json.RawMessage, error) {
		out := state
		err := f(ctx, name, phase, func(ctx context.Context) error {
			next, err := inner(ctx, r, state)
			if err == nil {
				out = next
			}
			return err
		})
		return out, err
	}
}

// call runs a step's function and turns a panic into an error whose stack stays
// on the private side.
func call(ctx context.Context, f stepFunc, r *Run, state json.RawMessage) (out json.RawMessage, err error) {
	err = survives("The step failed unexpectedly.", func() (err error) {
		out, err = f(ctx, r, state)
		return err
	})
	return out, err
}

// survives runs f and turns a panic into an error with these words.
func survives(public string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "%s", public)
		}
	}()
	return f()
}

// phaseOf tells which function of a step a job in this status runs.
func phaseOf(s domain.JobStatus) string {
	if s == domain.JobUndoing {
		return PhaseUndo
	}
	return PhaseDo
}
