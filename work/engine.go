package work

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Options of New; the zero value runs no workflow but is valid.
type Options struct {
	Workflows []Workflow
	Parallel  int            // jobs of one workflow that run at a time; 0: 4
	Limits    map[string]int // the same for single workflows, by name
	Tries     int            // how often a step runs before it is given up; 0: 5
	Clock     domain.Clock
	Log       *slog.Logger
	// Backoff is the wait after the n-th failed try, n from 1; nil: from one
	// second, doubling, up to a minute.
	Backoff func(n int) time.Duration
	// ProgressEvery is the least time between two writes of one run's
	// progress; 0: half a second.
	ProgressEvery time.Duration
	// Hook is told about each record, for tests; ErrCrash from it makes the
	// engine stop as if the process had been killed.
	Hook func(Point) error
}

// Point is a moment next to a record of a job in the store.
type Point struct {
	Job     string
	Step    string
	Phase   string // PhaseDo or PhaseUndo
	Attempt int
	Record  Record
	After   bool  // the record was committed; otherwise it is about to be
	Err     error // of the step's run, in Ended
}

// Record is what is written down about a run of a step.
type Record string

const (
	Started Record = "started" // the run is about to begin
	Ended   Record = "ended"   // the run is over, and so it went
)

var (
	// ErrCrash is what a Hook returns to crash the engine.
	ErrCrash = errors.New("crash")
	// ErrStopping is the cause with which a step's context ends when the engine
	// stops. The step runs again at the next start and loses no try.
	ErrStopping = fault.New(fault.Unavailable, "The server is stopping.")
	errTimeout  = errors.New("the step's time is up")
)

// gap is the least time between two looks at the store: commits come in bursts
// (progress, other people's requests), and one look serves all of a burst.
const gap = 25 * time.Millisecond

// tick is the longest time between two looks, for jobs whose time comes without
// anybody writing anything.
const tick = time.Second

// Engine runs jobs. One engine works on a store.
type Engine struct {
	store store.Store
	opts  Options
	flows map[string]map[int]Workflow // by name and version
	epoch int64

	stopping context.Context // ends when Stop is called or the engine crashed
	stop     context.CancelCauseFunc
	nudge    chan struct{} // a slot became free
	crashed  chan struct{}
	crash    func()
	wg       sync.WaitGroup

	mu      sync.Mutex
	started bool
	stopped bool
	active  map[string]*active // jobs that a goroutine of ours works on
	wakes   map[string]time.Time
	looks   int // how often the store was looked at, for tests
}

// active is a job that runs in this process.
type active struct {
	workflow string
	cancel   context.CancelCauseFunc // ends the present step; guarded by Engine.mu
}

// New makes an engine for what is in the store; Start makes it work.
func New(st store.Store, opts Options) *Engine {
	if opts.Parallel <= 0 {
		opts.Parallel = 4
	}
	if opts.Tries <= 0 {
		opts.Tries = 5
	}
	if opts.Clock == nil {
		opts.Clock = domain.WallClock
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Backoff == nil {
		opts.Backoff = func(n int) time.Duration { return min(time.Second<<min(n-1, 6), time.Minute) }
	}
	if opts.ProgressEvery <= 0 {
		opts.ProgressEvery = 500 * time.Millisecond
	}
	e := &Engine{store: st, opts: opts, epoch: st.Epoch(), flows: map[string]map[int]Workflow{},
		nudge: make(chan struct{}, 1), crashed: make(chan struct{}),
		active: map[string]*active{}, wakes: map[string]time.Time{}}
	for _, w := range opts.Workflows {
		if e.flows[w.name] == nil {
			e.flows[w.name] = map[int]Workflow{}
		}
		e.flows[w.name][w.version] = w
	}
	e.crash = sync.OnceFunc(func() { close(e.crashed) })
	return e
}

// Start takes over every job that has not ended, and those that wait for an
// operator if their workflow is known (starting anew is such a person's way of
// saying try again), and returns; the work goes on until Stop. ctx ending does
// not stop it. An engine starts once.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	if e.started || e.stopped {
		e.mu.Unlock()
		return fault.New(fault.Internal, "The engine was started or stopped before.")
	}
	e.started = true
	e.stopping, e.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	e.mu.Unlock()
	if err := e.adopt(ctx); err != nil {
		return fmt.Errorf("taking over jobs: %w", err)
	}
	e.wg.Go(e.loop)
	return nil
}

// Stop ends the context of every running step with ErrStopping and waits for
// them, or for ctx. It may be called again, and before Start.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.stopped = true
	started := e.started
	e.mu.Unlock()
	if !started {
		return nil
	}
	e.stop(ErrStopping)
	done := make(chan struct{})
	go func() {
		e.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, context.Cause(ctx), "Some steps did not stop in time.")
	}
}

// Crashed is closed when a Hook crashed the engine.
func (e *Engine) Crashed() <-chan struct{} { return e.crashed }

// dead tells whether the engine may write nothing any more.
func (e *Engine) dead() bool {
	select {
	case <-e.crashed:
		return true
	default:
		return false
	}
}

// tell reports a record to the hook and crashes when it says so; false means
// that nothing more may be done.
func (e *Engine) tell(p Point) bool {
	if e.dead() {
		return false
	}
	if e.opts.Hook == nil {
		return true
	}
	if err := e.opts.Hook(p); errors.Is(err, ErrCrash) {
		e.crash()
		e.stop(ErrCrash)
	}
	return !e.dead()
}

// loop looks at the store after each commit, when a job's time comes, and when
// a slot becomes free.
func (e *Engine) loop() {
	for {
		changed := e.store.Changed()
		wait, err := e.look()
		if err != nil && e.stopping.Err() == nil {
			e.opts.Log.Error("looking for jobs failed", "err", err)
		}
		select {
		case <-changed:
		case <-e.nudge:
		case <-time.After(wait):
		case <-e.stopping.Done():
			return
		}
		select {
		case <-time.After(gap):
		case <-e.stopping.Done():
			return
		}
	}
}
