package work

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Scrub verifies every sealed disk again and again, so slowly and so politely
// that nobody notices, and single disks at once when somebody asks. What it
// found lies beside each disk (disk.Store.Checked), so it goes on after a
// restart where it was. Damage is logged, appended to the event log and told to
// whoever asks for disks; nothing is taken away.
type Scrub struct {
	World *World
	Log   *slog.Logger
	Rate  int64         // bytes a second; 0: only when asked
	Every time.Duration // how long a verification is good for; 0 means a week
	Look  time.Duration // at least this often looks for something to do; 0 means ten minutes

	mu      sync.Mutex
	now     map[disk.Digest]Progress // what is being verified
	total   ScrubFigures
	cancel  context.CancelFunc
	ctx     context.Context
	running sync.WaitGroup
}

// Progress is how far something is, in bytes.
type Progress struct{ Done, Total int64 }

// ScrubFigures is what a Scrub has done since it started.
type ScrubFigures struct {
	Bytes, Disks, Damaged int64
}

// atOnce is how many disks are verified at once because somebody asked.
const atOnce = 2

// Start begins scrubbing and returns.
func (s *Scrub) Start(ctx context.Context) {
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.now = map[disk.Digest]Progress{}
	if s.Rate > 0 {
		s.running.Go(s.run)
	}
}

// Stop ends it; safe twice and before Start.
func (s *Scrub) Stop() {
	if s.cancel != nil {
		s.cancel()
		s.running.Wait()
	}
}

// Figures tells what was done so far.
func (s *Scrub) Figures() ScrubFigures {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Now tells whether a disk is being verified, and how far that is.
func (s *Scrub) Now(d disk.Digest) (Progress, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.now[d]
	return p, ok
}

// Verify begins to verify a disk at full speed and returns; Now and the store's
// Checked tell the rest. Repeatable. Errors: NotFound; Busy when too many are
// being verified.
func (s *Scrub) Verify(d disk.Digest) error {
	if _, err := s.World.Disks.Stat(d); fault.Is(err, fault.NotFound) {
		return err // a disk whose description is damaged is there
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.now[d]; ok {
		return nil
	}
	if len(s.now) > atOnce || s.ctx == nil || s.ctx.Err() != nil {
		return fault.New(fault.Busy, "%d disks are being verified already.", len(s.now)).WithHint("Try again in a while.")
	}
	s.now[d] = Progress{}
	s.running.Go(func() {
		if _, err := s.check(s.ctx, d, false, nil); err != nil && s.ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
			s.Log.Warn("verifying a disk", "disk", d.String(), "error", err)
		}
	})
	return nil
}

func (s *Scrub) run() {
	disk.Gentle()
	look := s.Look
	if look == 0 {
		look = 10 * time.Minute
	}
	pace := s.pace()
	for {
		d, ok := s.next()
		if ok {
			_, err := s.check(s.ctx, d, true, pace)
			if err != nil && s.ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
				s.Log.Warn("scrubbing a disk", "disk", d.String(), "error", err)
				ok = false // do not run in circles
			}
		}
		if s.ctx.Err() != nil || !ok && !wait(s.ctx, look, nil) {
			return
		}
	}
}

// next chooses a disk: one that was begun, else the one whose verification is
// the oldest, if that is old enough.
func (s *Scrub) next() (next disk.Digest, ok bool) {
	all, err := s.World.Disks.Sealed()
	if err != nil {
		s.Log.Warn("scrubbing", "error", err)
		return next, false
	}
	every := s.Every
	if every == 0 {
		every = 7 * 24 * time.Hour
	}
	oldest := s.World.Clock.Now().Add(-every)
	for _, d := range all {
		if s.World.Disks.Begun(d) {
			return d, true
		}
		c, err := s.World.Disks.Checked(d)
		if err == nil && !c.At.After(oldest) {
			next, oldest, ok = d, c.At, true
		}
	}
	return next, ok
}

// pace keeps the reading at the rate: it is called for each block.
func (s *Scrub) pace() func() error {
	var due time.Time
	each := time.Duration(float64(disk.BlockSize) / float64(s.Rate) * float64(time.Second))
	return func() error {
		now := s.World.Clock.Now()
		if due.Before(now) {
			due = now
		}
		due = due.Add(each)
		if !wait(s.ctx, due.Sub(now), nil) {
			return context.Cause(s.ctx)
		}
		return nil
	}
}

// check verifies a disk and tells everybody what was found.
func (s *Scrub) check(ctx context.Context, d disk.Digest, resume bool, pace func() error) (disk.Check, error) {
	defer func() {
		s.mu.Lock()
		delete(s.now, d)
		s.mu.Unlock()
	}()
	var last int64 = -1
	return s.World.check(ctx, d, resume, func(done, total int64) error {
		s.mu.Lock()
		s.now[d] = Progress{done, total}
		if last >= 0 {
			s.total.Bytes += done - last
		} else {
			s.total.Bytes += disk.BlockSize
		}
		last = done
		s.mu.Unlock()
		if pace == nil {
			return nil
		}
		return pace()
	}, func(c disk.Check) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total.Disks++
		if c.Damage != "" {
			s.total.Damaged++
			s.Log.Error("a sealed disk is damaged", "disk", d.String(), "damage", c.Damage)
		}
	})
}

// check verifies a disk; what changed since the last time goes into the event
// log.
func (w *World) check(ctx context.Context, d disk.Digest, resume bool, step func(done, total int64) error, found func(disk.Check)) (disk.Check, error) {
	before, err := w.Disks.Checked(d)
	if fault.Is(err, fault.NotFound) {
		return before, err // an unreadable one is written anew
	}
	c, err := w.Disks.Check(ctx, d, disk.Checking{Now: w.Clock.Now, Resume: resume, Step: step})
	if err != nil {
		return c, err
	}
	if found != nil {
		found(c)
	}
	if (c.Damage == "") == (before.Damage == "") {
		return c, nil
	}
	e := domain.LogEntry{Key: domain.DiskKey(d.String()), Event: domain.DiskDamaged, Detail: c.Damage}
	if c.Damage == "" {
		e.Event = domain.DiskWhole
	}
	return c, w.Store.Update(ctx, func(tx store.Tx) error { return tx.Append(e) })
}
