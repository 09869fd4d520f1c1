package work

import (
	"context"
	"strings"
	"time"

	"slipway/compute"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// watching is how machines that end by themselves are noticed. A driver that
// tells of them is believed, and all are looked at only now and then, for what it
// did not tell; otherwise looking is all there is.
type watching struct {
	every time.Duration // between two looks at all
	rest  int           // how much longer than a look took, at least
	ends  <-chan string // from the driver; nil: it does not tell
}

const (
	// watchEvery is the time between two looks at all machines of a driver that does
	// not tell when one ends, watchTold with one that does.
	watchEvery, watchTold = 2 * time.Second, time.Minute
	// askAgain is when a machine that was told of is looked at a second time: at the
	// first, the task that booted it may not have recorded yet that it was up.
	askAgain = 2 * time.Second
)

func (k *FleetKeeper) watching(ctx context.Context) watching {
	w := watching{every: watchEvery, rest: 9}
	if t, ok := k.World.Driver.(compute.Teller); ok {
		ends, err := t.Ends(ctx)
		if err != nil {
			k.Log.Warn("machines that end are noticed later", "error", err)
		} else {
			w = watching{every: watchTold, rest: 99, ends: ends}
		}
	}
	if k.Every > 0 {
		w.every = k.Every
	}
	return w
}

// watch notices machines that end by themselves.
func (k *FleetKeeper) watch(ctx context.Context) {
	w := k.watching(ctx)
	all, again := time.NewTimer(0), time.NewTimer(askAgain)
	defer all.Stop()
	defer again.Stop()
	var told []string
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-all.C:
			began := k.World.Clock.Now()
			err = k.Watch(ctx)
			all.Reset(max(w.every, time.Duration(w.rest)*k.World.Clock.Now().Sub(began)))
		case id, ok := <-w.ends:
			if !ok {
				w.ends = nil // the context has ended, or is about to
				continue
			}
			told = append(told, id)
			err = k.lookAt(ctx, id)
		case <-again.C:
			if len(told) > 0 {
				err = k.lookAt(ctx, told...)
				told = nil
			}
			again.Reset(askAgain)
		}
		if err != nil && ctx.Err() == nil {
			k.Log.Warn("watching instances", "error", err)
		}
	}
}

// Watch looks once at the machine of every instance that should have one that
// runs, and tells of those that have ended.
func (k *FleetKeeper) Watch(ctx context.Context) error { return k.lookAt(ctx) }

// lookAt does that for some instances, or for all.
func (k *FleetKeeper) lookAt(ctx context.Context, names ...string) error {
	var all []domain.Key
	err := k.World.Store.View(ctx, func(tx store.Tx) (err error) {
		q := store.Query{Kind: domain.KindFleetInstance, Names: names, States: []domain.State{domain.InstanceReady, domain.InstanceInUse, domain.InstanceDraining}}
		if len(names) == 0 {
			all, err = tx.Keys(q)
			return err
		}
		return tx.Query(q, func(r store.Row) (bool, error) {
			all = append(all, r.Key())
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	for _, key := range all {
		signs, err := k.World.Driver.Status(ctx, key.Name)
		if err != nil {
			return err
		}
		if signs.State == compute.Running {
			continue
		}
		why := "its machine has ended by itself (" + strings.ToLower(string(signs.State)) + ")"
		k.Log.Info("an instance's machine has ended", "instance", key.Name, "state", signs.State)
		err = move(ctx, k.World.Store, key, domain.InstanceEnded, why, func(_ store.Tx, i *domain.FleetInstance) error { i.Why = why; return nil })
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.WrongState) {
			return err
		}
	}
	return nil
}
