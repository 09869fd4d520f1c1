package work

import (
	"context"
	"maps"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// entrance sees to it that the guest of a session has its environment.
type entrance struct {
	w    *World
	line *line

	turn  chan struct{}     // has room for who prepares: a tool may take long, and others give up waiting
	given guest.Environment // to the tool
	life  string            // of that tool
}

// keep gives the environment as soon as a tool is there, and again to the next one.
func (e *entrance) keep(ctx context.Context, l *Listener) {
	for tries := 0; ; {
		if tries == 0 {
			select {
			case <-ctx.Done():
				return
			case <-e.line.met:
			}
		}
		tool, err := e.line.orders.Tool(ctx)
		if err == nil {
			err = e.prepare(ctx, tool)
		}
		if tries++; err == nil || tries == enterTries || fault.Is(err, fault.NotFound) {
			tries = 0
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && tries == 0 {
			l.Log.Warn("a session's guest was not told whose it is", "instance", e.line.machine, "error", err)
		}
		if tries > 0 && !wait(ctx, l.Every, nil) {
			return
		}
	}
}

// enterTries is how often a tool that has greeted is told.
const enterTries = 3

// prepare gives the tool the environment, unless it has it.
func (e *entrance) prepare(ctx context.Context, tool guest.Greeting) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	want, err := e.w.environment(ctx, e.line.of)
	if err != nil {
		return err
	}
	if e.life == tool.Life && maps.Equal(e.given.User, want.User) && maps.Equal(e.given.Machine, want.Machine) {
		return nil
	}
	if _, err := e.line.orders.Give(ctx, guest.OrderEnter, want); err != nil {
		return err
	}
	e.given, e.life = want, tool.Life
	return nil
}

// environment is what the programs of an instance's guest should find. Where it
// has several sessions none of them is the guest's.
func (w *World) environment(ctx context.Context, instance domain.Key) (out guest.Environment, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		i := new(domain.FleetInstance)
		if err := tx.Get(instance, i); err != nil {
			return err
		}
		var x *domain.Session
		if i.Slots <= 1 {
			all, err := store.List[domain.Session](tx, store.Query{Kind: domain.KindSession, Account: instance.Account, Region: instance.Region, Alias: i.Fleet, States: []domain.State{domain.SessionPending, domain.SessionActive}})
			if err != nil {
				return err
			}
			for _, s := range all {
				if s.Instance == instance.Name {
					x = s
				}
			}
		}
		out.Machine = i.Environment(x)
		if x != nil {
			out.User = x.Environment()
		}
		return nil
	})
	return out, err
}
