package work

import (
	"context"
	"encoding/json"
	"errors"
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

// Listener keeps two things true: what the guest tool of a machine that somebody
// works on asks is heard and answered, and a session's guest has what its programs
// should find in their environment. It takes no input; a timer wakes it.
// Everything it holds are connections, so it may die at any time.
type Listener struct {
	World *World
	Log   *slog.Logger
	// Answer does a call of the guest of a machine.
	Answer func(ctx context.Context, machine, name string, args json.RawMessage) guest.Answer
	Every  time.Duration // 0 means two seconds

	ctx    context.Context // of all lines
	cancel context.CancelFunc
	done   chan struct{}
	wg     sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line // by machine
}

// line is the connection to one machine's tool, held again and again.
type line struct {
	of      domain.Key // the image builder or the instance
	machine string
	hangUp  context.CancelFunc
	orders  *guest.Orders
	met     chan struct{} // gets a word when a tool has greeted
	// prepare is done before anything is ordered.
	prepare func(ctx context.Context, tool guest.Greeting) error
}

// worked are the states in which somebody works on a machine, and its tool is
// heard. A builder whose image is being made may still wait for its answer.
var worked = map[domain.Kind][]domain.State{
	domain.KindBuilder:       {domain.BuilderRunning, domain.BuilderSnapshotting},
	domain.KindFleetInstance: {domain.InstanceInUse, domain.InstanceDraining},
}

// Start begins listening and returns.
func (l *Listener) Start(ctx context.Context) {
	if l.Every == 0 {
		l.Every = 2 * time.Second
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.done, l.lines = make(chan struct{}), map[string]*line{}
	go l.run()
}

// Stop hangs up on all guests; safe twice and before Start.
func (l *Listener) Stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.done
	}
}

func (l *Listener) run() {
	defer close(l.done)
	defer func() {
		l.mu.Lock() // who began a line before the end has begun it
		defer l.mu.Unlock()
		l.wg.Wait()
	}()
	for {
		changed := l.World.Store.Changed()
		began := l.World.Clock.Now()
		if err := l.look(); err != nil && l.ctx.Err() == nil {
			l.Log.Warn("listening to guests", "error", err)
		}
		// With many machines looking gets a tenth of the time, and none while nothing
		// happens.
		if !wait(l.ctx, max(l.Every, 9*l.World.Clock.Now().Sub(began)), nil) || !wait(l.ctx, time.Minute, changed) {
			return
		}
	}
}

// look begins to listen to new guests and hangs up on those that are gone.
func (l *Listener) look() error {
	there := map[string]domain.Key{}
	err := l.World.Store.View(l.ctx, func(tx store.Tx) error {
		for kind, states := range worked {
			err := store.MachineNames(tx, store.Query{Kind: kind, States: states}, func(of domain.Key, machine string) { there[machine] = of })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for m, of := range there {
		l.begin(of, m)
	}
	for m, x := range l.lines {
		if _, ok := there[m]; !ok {
			x.hangUp()
			delete(l.lines, m)
		}
	}
	return nil
}

// begin is the line to a machine, which it makes when there is none; l.mu is held.
func (l *Listener) begin(of domain.Key, machine string) *line {
	x := l.lines[machine]
	if x != nil || l.ctx.Err() != nil {
		return x
	}
	x = &line{of: of, machine: machine, orders: &guest.Orders{}, met: make(chan struct{}, 1), prepare: func(context.Context, guest.Greeting) error { return nil }}
	var ctx context.Context
	ctx, x.hangUp = context.WithCancel(l.ctx)
	if of.Kind == domain.KindFleetInstance {
		e := &entrance{w: l.World, line: x, turn: make(chan struct{}, 1)}
		x.prepare = e.prepare
		l.wg.Go(func() { e.keep(ctx, l) })
	}
	l.lines[machine] = x
	l.wg.Go(func() { l.listen(ctx, x) })
	return x
}

// listen holds one connection after another until ctx ends.
func (l *Listener) listen(ctx context.Context, x *line) {
	for ctx.Err() == nil {
		err := l.hear(ctx, x)
		l.Log.Debug("the guest tool's channel ended", "of", x.of, "error", err)
		if !wait(ctx, l.Every, nil) {
			return
		}
	}
}

// hear holds one connection. A panic over what a guest says ends that connection
// and nothing else.
func (l *Listener) hear(ctx context.Context, x *line) (err error) {
	c, err := l.World.Driver.Channel(ctx, x.machine)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			l.Log.Error("what a guest tool said", "of", x.of, "error", err, "stack", string(debug.Stack()))
		}
	}()
	role := guest.RoleBuilder
	if x.of.Kind == domain.KindFleetInstance {
		role = guest.RoleFleet
	}
	var once sync.Once // a guest that greets again and again writes nothing more
	return guest.Host{
		Role: role, Session: l.World.IDs.UUID(), Orders: x.orders,
		Greeted: func(g guest.Greeting) {
			select {
			case x.met <- struct{}{}:
			default:
			}
			once.Do(func() { l.greeted(ctx, x, g) })
		},
		Answer: func(ctx context.Context, name string, args json.RawMessage) guest.Answer {
			l.Log.Debug("the guest tool asks", "of", x.of, "call", name[:min(len(name), 64)])
			return l.Answer(ctx, x.machine, name, args)
		},
	}.Serve(ctx, c)
}

// greeted writes down which guest tool a builder has. The words are the guest's:
// what could do something to a terminal is left out.
func (l *Listener) greeted(ctx context.Context, x *line, g guest.Greeting) {
	g.Tool, g.System = plain(g.Tool), plain(g.System)
	if x.of.Kind != domain.KindBuilder {
		l.Log.Debug("the guest tool is there", "of", x.of, "version", g.Tool, "system", g.System)
		return
	}
	b, err := read[domain.Builder](ctx, l.World.Store, x.of)
	if err != nil || b.Tool == g.Tool {
		return
	}
	l.Log.Info("the guest tool is there", "builder", x.of, "version", g.Tool, "system", g.System)
	err = l.World.editBuilder(ctx, x.of, x.machine, func(_ store.Tx, b *domain.Builder) { b.Tool = g.Tool })
	if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
		l.Log.Warn("the guest tool's version", "builder", x.of, "error", err)
	}
}

// Talk lets f give orders to the guest tool of whom somebody works on: a session,
// a fleet's instance or an image builder. What the tool asks goes on being
// answered, and others may talk to it too. A session's guest has its environment
// before f begins. Errors are f's; NotFound and WrongState when nobody works there;
// NotAvailable when no tool answers in time: give ctx an end.
func (l *Listener) Talk(ctx context.Context, who domain.Key, f func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error) (err error) {
	defer func() {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fault.Wrap(fault.NotAvailable, err, "The machine does not answer.").WithHint("This needs the guest tool in its image.")
		}
	}()
	of, machine, err := l.World.worksOn(ctx, who)
	if err != nil {
		return err
	}
	l.mu.Lock()
	x := l.begin(of, machine)
	l.mu.Unlock()
	if x == nil {
		return fault.New(fault.Canceled, "The server is stopping.")
	}
	return order(ctx, x.orders, l.World.Boot.filled(l.World.Driver.Features().Accel).Tool, func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error {
		if err := x.prepare(ctx, tool); err != nil {
			return err
		}
		return f(ctx, o, tool)
	})
}

// worksOn finds the machine on which somebody works, and whose it is.
func (w *World) worksOn(ctx context.Context, who domain.Key) (of domain.Key, machine string, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		of = who
		if who.Kind == domain.KindSession {
			x := new(domain.Session)
			if err := tx.Get(who, x); err != nil {
				return err
			}
			if x.State != domain.SessionActive {
				return fault.New(fault.WrongState, "The session is %s.", x.State)
			}
			of = x.InstanceKey()
		}
		for _, k := range domain.HousedKinds {
			if k.Kind != of.Kind {
				continue
			}
			n := k.New()
			if err := tx.Get(of, n); err != nil {
				return err
			}
			for _, s := range worked[of.Kind] {
				if n.Head().State == s {
					machine = n.MachineName()
					return nil
				}
			}
			return fault.New(fault.WrongState, "The machine of %s is %s.", of.Name, n.Head().State)
		}
		return fault.New(fault.Internal, "Nobody works on a %s.", of.Kind)
	})
	return of, machine, err
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
