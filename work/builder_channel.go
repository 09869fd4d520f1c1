package work

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/store"
)

// Listener keeps one thing true: what the guest tool of an image builder at work
// asks is heard and answered. It takes no input; a timer wakes it. Everything it
// holds are connections, so it may die at any time.
type Listener struct {
	World *World
	Log   *slog.Logger
	// Answer does a call of the guest of a machine.
	Answer func(ctx context.Context, machine, name string, args json.RawMessage) guest.Answer
	Every  time.Duration // 0 means two seconds

	cancel context.CancelFunc
	done   chan struct{}
	guests map[string]context.CancelFunc // by machine
	wg     sync.WaitGroup
}

// Start begins listening and returns.
func (l *Listener) Start(ctx context.Context) {
	if l.Every == 0 {
		l.Every = 2 * time.Second
	}
	ctx, l.cancel = context.WithCancel(ctx)
	l.done, l.guests = make(chan struct{}), map[string]context.CancelFunc{}
	go l.run(ctx)
}

// Stop hangs up on all guests; safe twice and before Start.
func (l *Listener) Stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

func (l *Listener) run(ctx context.Context) {
	defer close(l.done)
	defer l.wg.Wait()
	for {
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.Log.Warn("listening to image builders", "error", err)
		}
		if !wait(ctx, l.Every, nil) {
			return
		}
	}
}

// look begins to listen to new guests and hangs up on those that are gone. One
// whose image is being made may still be waiting for its answer.
func (l *Listener) look(ctx context.Context) error {
	var all []*domain.Builder
	err := l.World.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder, States: []domain.State{domain.BuilderRunning, domain.BuilderSnapshotting}})
		return err
	})
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, b := range all {
		there[b.Machine] = true
		if l.guests[b.Machine] == nil {
			var one context.Context
			one, l.guests[b.Machine] = context.WithCancel(ctx)
			l.wg.Go(func() { l.listen(one, b.Key, b.Machine) })
		}
	}
	for m, hangUp := range l.guests {
		if !there[m] {
			hangUp()
			delete(l.guests, m)
		}
	}
	return nil
}

// listen holds one connection after another until ctx ends.
func (l *Listener) listen(ctx context.Context, key domain.Key, machine string) {
	for ctx.Err() == nil {
		err := l.hear(ctx, key, machine)
		l.Log.Debug("the guest tool's channel ended", "builder", key, "error", err)
		if !wait(ctx, l.Every, nil) {
			return
		}
	}
}

// hear holds one connection. A panic over what a guest says ends that connection
// and nothing else.
func (l *Listener) hear(ctx context.Context, key domain.Key, machine string) (err error) {
	c, err := l.World.Driver.Channel(ctx, machine)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			l.Log.Error("what a guest tool said", "builder", key, "error", err, "stack", string(debug.Stack()))
		}
	}()
	var once sync.Once // a guest that greets again and again writes nothing more
	return guest.Host{
		Role: guest.RoleBuilder, Session: l.World.IDs.UUID(),
		Greeted: func(g guest.Greeting) { once.Do(func() { l.greeted(ctx, key, machine, g) }) },
		Answer: func(ctx context.Context, name string, args json.RawMessage) guest.Answer {
			l.Log.Debug("the guest tool asks", "builder", key, "call", name[:min(len(name), 64)])
			return l.Answer(ctx, machine, name, args)
		},
	}.Serve(ctx, c)
}

// greeted writes down which guest tool a builder has. The words are the guest's:
// what could do something to a terminal is left out.
func (l *Listener) greeted(ctx context.Context, key domain.Key, machine string, g guest.Greeting) {
	g.Tool, g.System = plain(g.Tool), plain(g.System)
	b, err := read[domain.Builder](ctx, l.World.Store, key)
	if err != nil || b.Tool == g.Tool {
		return
	}
	l.Log.Info("the guest tool is there", "builder", key, "version", g.Tool, "system", g.System)
	err = l.World.editBuilder(ctx, key, machine, func(_ store.Tx, b *domain.Builder) { b.Tool = g.Tool })
	if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
		l.Log.Warn("the guest tool's version", "builder", key, "error", err)
	}
}

// plain keeps at most a hundred printable ASCII characters of a text.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 100)]
}
