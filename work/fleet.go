package work

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"slipway/domain"
	"slipway/store"
)

// FleetKeeper keeps every fleet as large as it should be, with machines that
// run, and ends sessions whose time is up. It takes no input: it reads what
// should be and what is, and acts. The log of what happened only tells it which
// fleets to look at first; once in a while it looks at each, and at every
// machine.
//
// An instance is made, booted and removed by a task of this process that finds
// what it did before; everything that is decided stands in the store. So a server
// that was killed goes on where it was.
type FleetKeeper struct {
	World *World
	Log   *slog.Logger
	// Every is the time between two looks at all machines; 0 means two seconds, or a
	// minute with a driver that tells which ended. With many machines it is longer:
	// looking gets a small part of the time.
	Every time.Duration
	// Tasks is how many instances are worked on at once; 0 means 64. Slots bound
	// further how many of them boot.
	Tasks int
	// Backoff is the wait after the n-th instance in a row that did not come up,
	// n from 1; nil: ten seconds, doubling, up to ten minutes.
	Backoff func(n int) time.Duration
	// Lagged is told how long after something happened to a fleet it was looked at;
	// nil: nobody is.
	Lagged func(time.Duration)

	seq     int64 // of the log, read so far
	began   bool
	dirty   map[domain.Key]bool
	looked  map[domain.Key]time.Time // when lately looked at
	since   map[domain.Key]time.Time // when what was not looked at yet happened, the oldest
	wakes   map[domain.Key]time.Time
	results chan result

	mu    sync.Mutex
	tasks map[string]*task // by instance
	queue []string         // instances whose task waits
	busy  int              // tasks that run
	figs  FleetFigures

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// FleetFigures are what keeping fleets has come to since the start.
type FleetFigures struct {
	Looks    int64 // at single fleets
	Booted   int64
	Failed   int64
	Replaced int64 // instances removed
}

// result is how a task ended.
type result struct {
	instance *domain.FleetInstance
	on       domain.Event // "" for a task that was broken off
	gone     bool         // machine and layer are removed
	cause    error        // of InstanceBroke
}

// Start begins and returns.
func (k *FleetKeeper) Start(ctx context.Context) {
	if k.Tasks == 0 {
		k.Tasks = 64
	}
	if k.Backoff == nil {
		k.Backoff = func(n int) time.Duration { return min(10*time.Second<<min(n-1, 10), 10*time.Minute) }
	}
	k.dirty, k.looked, k.since, k.wakes, k.tasks = map[domain.Key]bool{}, map[domain.Key]time.Time{}, map[domain.Key]time.Time{}, map[domain.Key]time.Time{}, map[string]*task{}
	k.results = make(chan result, k.Tasks)
	ctx, k.cancel = context.WithCancel(ctx)
	k.wg.Go(func() { k.run(ctx) })
	k.wg.Go(func() { k.watch(ctx) })
}

// Stop ends it and waits for its tasks, which leave machines as they are; safe
// twice and before Start.
func (k *FleetKeeper) Stop() {
	if k.cancel != nil {
		k.cancel()
		k.wg.Wait()
	}
}

// Figures tells what was done so far.
func (k *FleetKeeper) Figures() FleetFigures {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.figs
}

// allAfter is how long at most a fleet is not looked at.
const allAfter = 5 * time.Minute

func (k *FleetKeeper) run(ctx context.Context) {
	var next time.Time // when all are looked at
	for ctx.Err() == nil {
		changed := k.World.Store.Changed()
		err := k.follow(ctx)
		if now := k.World.Clock.Now(); err == nil && !now.Before(next) {
			next = now.Add(allAfter)
			err = k.all(ctx)
		}
		if err == nil {
			err = k.look(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.Log.Warn("keeping fleets", "error", err)
			wait(ctx, time.Second, nil)
			continue
		}
		if len(k.dirty) == 0 {
			k.pause(ctx, changed, next)
		}
	}
}

// pause waits until something was written, a task has ended, or the time of a
// fleet has come.
func (k *FleetKeeper) pause(ctx context.Context, changed <-chan struct{}, until time.Time) {
	for _, at := range k.wakes {
		if at.Before(until) {
			until = at
		}
	}
	t := time.NewTimer(max(until.Sub(k.World.Clock.Now()), time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-t.C:
	case r := <-k.results:
		if err := k.record(ctx, r); err != nil && ctx.Err() == nil {
			k.Log.Warn("recording instances", "error", err)
		}
	}
}

// all marks every fleet that has or should have instances.
func (k *FleetKeeper) all(ctx context.Context) error {
	return k.World.Store.View(ctx, func(tx store.Tx) error {
		keys, err := tx.Keys(store.Query{Kind: domain.KindFleet, States: []domain.State{domain.FleetStarting, domain.FleetRunning, domain.FleetStopping}})
		for _, f := range keys {
			k.dirty[f] = true
		}
		return err
	})
}

// page is how much of the log is read at once.
const page = 512

// follow reads what happened since and marks the fleets it is about.
func (k *FleetKeeper) follow(ctx context.Context) error {
	return k.World.Store.View(ctx, func(tx store.Tx) error {
		if !k.began {
			last, err := lastSeq(tx)
			k.seq, k.began = last, err == nil // what happened before is seen by looking at all
			return err
		}
		for {
			log, err := tx.Events(nil, k.seq, page)
			if err != nil {
				return err
			}
			for _, e := range log {
				k.mark(e)
				k.seq = e.Seq
			}
			if len(log) < page {
				return nil
			}
		}
	})
}

// mark finds the fleet that an entry of the log is about: instances and sessions
// have its name as their alias.
func (k *FleetKeeper) mark(e domain.LogEntry) {
	switch e.Key.Kind {
	case domain.KindFleet:
		k.touch(e.Key, e.At)
	case domain.KindFleetInstance, domain.KindSession:
		k.touch(domain.Key{Scope: e.Key.Scope, Kind: domain.KindFleet, Name: e.Alias}, e.At)
	}
}

func (k *FleetKeeper) touch(fleet domain.Key, at time.Time) {
	k.dirty[fleet] = true
	if _, waits := k.since[fleet]; !waits {
		k.since[fleet] = at
	}
}

// done tells that a fleet was looked at.
func (k *FleetKeeper) done(fleet domain.Key) {
	now := k.World.Clock.Now()
	if at, ok := k.since[fleet]; ok && k.Lagged != nil {
		k.Lagged(now.Sub(at))
	}
	delete(k.since, fleet)
	delete(k.dirty, fleet)
	k.looked[fleet] = now
	k.count(func(f *FleetFigures) { f.Looks++ })
}

// lastSeq finds the newest entry of the log without reading it.
func lastSeq(tx store.Tx) (int64, error) {
	after := func(seq int64) (bool, error) {
		log, err := tx.Events(nil, seq, 1)
		return len(log) > 0, err
	}
	lo, hi := int64(0), int64(0) // the newest is at lo or later, and not after hi
	for {
		more, err := after(hi)
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		lo, hi = hi+1, max(1, hi*2)
	}
	for lo < hi {
		mid := (lo + hi) / 2
		more, err := after(mid)
		if err != nil {
			return 0, err
		}
		if more {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return hi, nil
}

// look looks at the fleets that were marked and at those whose time has come, at
// each once in a gap: what happens to its instances comes in bursts as well.
func (k *FleetKeeper) look(ctx context.Context) error {
	now := k.World.Clock.Now()
	for f, at := range k.wakes {
		if !now.Before(at) {
			k.dirty[f] = true
		}
	}
	for f, at := range k.looked {
		if now.Sub(at) >= gap {
			delete(k.looked, f)
		}
	}
	for f := range k.dirty {
		if err := k.drain(ctx); err != nil {
			return err
		}
		if at, lately := k.looked[f]; lately {
			k.wakes[f] = at.Add(gap)
			delete(k.dirty, f)
			continue
		}
		if err := k.keep(ctx, f); err != nil {
			return err
		}
		k.done(f)
	}
	return nil
}

// drain records what tasks have ended meanwhile.
func (k *FleetKeeper) drain(ctx context.Context) error {
	select {
	case r := <-k.results:
		return k.record(ctx, r)
	default:
		return nil
	}
}
