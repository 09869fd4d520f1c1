package work

import (
	"context"
	"log/slog"
	"sync"

	"slipway/fault"
)

// FsckRunner runs a Fsck in a server, one at a time, and remembers the last
// report. It may be slow: it reads every disk.
type FsckRunner struct {
	World *World
	Log   *slog.Logger

	mu       sync.Mutex
	running  bool
	progress Progress
	report   *FsckReport
	failed   error
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Start lets it run checks and returns.
func (r *FsckRunner) Start(ctx context.Context) { r.ctx, r.cancel = context.WithCancel(ctx) }

// Stop ends what runs; safe twice and before Start.
func (r *FsckRunner) Stop() {
	if r.cancel != nil {
		r.cancel()
		r.wg.Wait()
	}
}

// Begin begins a check and returns. Errors: Busy while one runs.
func (r *FsckRunner) Begin(repair, quick bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running || r.ctx == nil || r.ctx.Err() != nil {
		return fault.New(fault.Busy, "A check is running.").WithHint("Wait for it: GET /fsck tells how far it is.")
	}
	r.running, r.progress, r.report, r.failed = true, Progress{}, nil, nil
	f := &Fsck{World: r.World, Log: r.Log, Repair: repair, Quick: quick, Progress: func(done, total int64) {
		r.mu.Lock()
		r.progress = Progress{done, total}
		r.mu.Unlock()
	}}
	r.wg.Go(func() {
		rep, err := f.Run(r.ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running, r.report, r.failed = false, rep, err
	})
	return nil
}

// State tells of the check that runs, or of the last one; all are zero before
// the first.
func (r *FsckRunner) State() (running bool, p Progress, last *FsckReport, failed error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running, r.progress, r.report, r.failed
}
