package work

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"slipway/compute"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Watcher keeps two things true: a builder that is told as running has a machine
// that runs, and one that is on its way somewhere has a job that brings it
// there. It takes no input; a timer and commits wake it.
type Watcher struct {
	World *World
	Log   *slog.Logger
	Every time.Duration // 0 means two seconds

	looks int // so far

	cancel context.CancelFunc
	done   chan struct{}
}

// longLook is how many looks there are to one that also keeps a machine's logs
// short.
const longLook = 30

// Start begins watching and returns.
func (a *Watcher) Start(ctx context.Context) {
	ctx, a.cancel = context.WithCancel(ctx)
	a.done = make(chan struct{})
	go a.run(ctx)
}

// Stop ends it; safe twice and before Start.
func (a *Watcher) Stop() {
	if a.cancel != nil {
		a.cancel()
		<-a.done
	}
}

func (a *Watcher) run(ctx context.Context) {
	defer close(a.done)
	every := a.Every
	if every == 0 {
		every = 2 * time.Second
	}
	for {
		if err := a.Look(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("watching image builders", "error", err)
		}
		if !wait(ctx, every, nil) {
			return
		}
	}
}

// Look looks once at every builder.
func (a *Watcher) Look(ctx context.Context) error {
	var all []*domain.Builder
	err := a.World.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder, States: []domain.State{
			domain.BuilderRunning, domain.BuilderPending, domain.BuilderStopping, domain.BuilderDeleting, domain.BuilderPendingSyncingApps, domain.BuilderUpdatingAgent,
		}})
		return err
	})
	a.looks++
	for _, b := range all {
		if b.State == domain.BuilderRunning {
			err = errors.Join(err, a.machine(ctx, b))
		} else {
			err = errors.Join(err, a.job(ctx, b))
		}
	}
	return err
}

// machine notices a machine that has ended without being asked to. A guest that
// was powered off from inside is STOPPED; one that crashed or whose machine is
// gone has FAILED and says why. Both are put away by the stopping workflow.
func (a *Watcher) machine(ctx context.Context, b *domain.Builder) error {
	signs, err := a.World.Driver.Status(ctx, b.Machine)
	if err != nil {
		return err
	}
	if signs.State == compute.Running {
		if signs.NoTPM {
			err = a.lacksTPM(ctx, b)
		}
		if err == nil && a.looks%longLook == 1 {
			_, err = a.World.Driver.Observe(ctx, b.Machine)
		}
		return err
	}
	var cause error
	switch signs.State {
	case compute.Gone:
		cause = fault.New(fault.Unavailable, "The image builder's machine ended unexpectedly.").
			WithHint("What was written to its disk is kept: start it again. If it happens again, look at the host's log.")
	case compute.Paniced:
		cause = fault.New(fault.Incompatible, "The guest's operating system crashed.").WithHint("Look at its screenshot and serial log, then start it again.")
	}
	a.Log.Info("an image builder's machine has ended", "builder", b.Key, "machine", b.Machine, "state", signs.State)
	return a.World.Store.Update(ctx, func(tx store.Tx) error {
		now := new(domain.Builder)
		if err := tx.Get(b.Key, now); fault.Is(err, fault.NotFound) || err == nil && now.Version != b.Version {
			return nil // something has happened since it was seen: the next look tells
		} else if err != nil {
			return err
		}
		if cause != nil {
			blameBuilder(tx, now, cause)
		}
		if _, err := tx.Move(b.Key, domain.BuilderEnded, string(signs.State), now); err != nil {
			return err
		}
		return a.plant(tx, domain.FlowBuilderStop, b.Key)
	})
}

// noTPM is told of a builder whose guest runs without the TPM it had.
const noTPM = "The TPM of the image builder's machine ended unexpectedly. What needs it in the guest fails until the image builder is stopped and started again."

// lacksTPM tells once that a builder's machine has lost its TPM. The guest goes on:
// somebody's work is in it. The next start has a new TPM and removes the word.
func (a *Watcher) lacksTPM(ctx context.Context, b *domain.Builder) error {
	told := func(b *domain.Builder) bool {
		return slices.ContainsFunc(b.Errors, func(e domain.ImageError) bool { return e.Message == noTPM })
	}
	if told(b) {
		return nil
	}
	a.Log.Warn("an image builder's machine has lost its TPM", "builder", b.Key, "machine", b.Machine)
	return a.World.Store.Update(ctx, func(tx store.Tx) error {
		now := new(domain.Builder)
		if err := tx.Get(b.Key, now); fault.Is(err, fault.NotFound) || err == nil && (now.Version != b.Version || told(now)) {
			return nil // something has happened since it was seen: the next look tells
		} else if err != nil {
			return err
		}
		now.Errors = append(now.Errors, domain.ImageError{Code: "INTERNAL_SERVICE_ERROR", Message: noTPM, At: tx.Now()})
		return tx.Put(now)
	})
}

var builderFlows = map[domain.State]string{
	domain.BuilderPending: domain.FlowBuilderStart, domain.BuilderStopping: domain.FlowBuilderStop, domain.BuilderDeleting: domain.FlowBuilderDelete,
	domain.BuilderPendingSyncingApps: domain.FlowBuilderDeploy, domain.BuilderUpdatingAgent: domain.FlowBuilderStart,
}

// job gives a builder on its way a new job where the old one was cancelled
// before it did anything. One that waits for an operator goes on waiting.
func (a *Watcher) job(ctx context.Context, b *domain.Builder) error {
	busy := func(tx store.Tx) (bool, error) {
		jobs, err := tx.Jobs(store.JobQuery{Subject: &b.Key, Statuses: []domain.JobStatus{domain.JobQueued, domain.JobRunning, domain.JobUndoing, domain.JobOperator}, Limit: 1})
		return len(jobs) > 0, err
	}
	has := true
	if err := a.World.Store.View(ctx, func(tx store.Tx) (err error) { has, err = busy(tx); return err }); err != nil || has {
		return err
	}
	return a.World.Store.Update(ctx, func(tx store.Tx) error {
		now := new(domain.Builder)
		if err := tx.Get(b.Key, now); fault.Is(err, fault.NotFound) || err == nil && now.State != b.State {
			return nil
		} else if err != nil {
			return err
		}
		if has, err := busy(tx); has || err != nil {
			return err
		}
		return a.plant(tx, builderFlows[b.State], b.Key)
	})
}

func (a *Watcher) plant(tx store.Tx, flow string, key domain.Key) error {
	j, err := domain.NewJob(a.World.IDs, tx.Now(), flow, 1, key, struct{}{})
	if err != nil {
		return err
	}
	return tx.PutJob(j)
}
