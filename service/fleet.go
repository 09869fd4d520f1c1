package service

import (
	"context"
	"errors"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func noFleet(name string, c domain.Caller) error {
	return fault.New(fault.NotFound, "The fleet %s for account %s does not exist.", name, c.Account)
}

func ownFleet(tx store.Tx, c domain.Caller, name string) (*domain.Fleet, error) {
	f := new(domain.Fleet)
	err := tx.Get(c.Key(domain.KindFleet, name), f)
	if fault.Is(err, fault.NotFound) {
		return nil, noFleet(name, c)
	}
	return f, err
}

// FleetSeen is a fleet with what it has at this moment.
type FleetSeen struct {
	*domain.Fleet
	Capacity domain.FleetCapacity
}

// Fleets lists fleets of the caller's in order of name, all or those named, and
// says where to go on. A name that is not there is fault.NotFound.
func (s *Service) Fleets(ctx context.Context, c domain.Caller, names []string, after string, limit int) (out []FleetSeen, next string, err error) {
	sq := store.Query{Kind: domain.KindFleet, Account: c.Account, Region: c.Region, Names: names, After: after}
	if limit > 0 {
		sq.Limit = limit + 1
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		for _, n := range names {
			if _, err := ownFleet(tx, c, n); err != nil {
				return err
			}
		}
		list, err := store.List[domain.Fleet](tx, sq)
		if err != nil {
			return err
		}
		if limit > 0 && len(list) > limit {
			list = list[:limit]
			next = list[limit-1].Key.Name
		}
		for _, f := range list {
			seen, err := see(tx, f)
			if err != nil {
				return err
			}
			out = append(out, seen)
		}
		return nil
	})
	return out, next, err
}

// AllFleets lists the fleets of everybody, for the operator.
func (s *Service) AllFleets(ctx context.Context) (out []FleetSeen, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		list, err := store.List[domain.Fleet](tx, store.Query{Kind: domain.KindFleet})
		for _, f := range list {
			var seen FleetSeen
			if seen, err = see(tx, f); err != nil {
				return err
			}
			out = append(out, seen)
		}
		return err
	})
	return out, err
}

// Fleet finds one fleet of the caller's with its instances.
func (s *Service) Fleet(ctx context.Context, c domain.Caller, name string) (f FleetSeen, instances []*domain.FleetInstance, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		own, err := ownFleet(tx, c, name)
		if err != nil {
			return err
		}
		if instances, err = store.List[domain.FleetInstance](tx, ofFleet(domain.KindFleetInstance, own.Key)); err != nil {
			return err
		}
		f, err = see(tx, own)
		return err
	})
	return f, instances, err
}

// ofFleet selects what belongs to a fleet: its instances or its sessions.
func ofFleet(k domain.Kind, fleet domain.Key) store.Query {
	return store.Query{Kind: k, Account: fleet.Account, Region: fleet.Region, Alias: fleet.Name}
}

// see counts what a fleet has. Only fleets whose instances have several sessions
// need more than the instances' states.
func see(tx store.Tx, f *domain.Fleet) (FleetSeen, error) {
	out := FleetSeen{Fleet: f}
	if f.Multi() {
		return seeMulti(tx, f)
	}
	by, err := tx.States(ofFleet(domain.KindFleetInstance, f.Key))
	for s, n := range by {
		out.Capacity.Count(s, n, 1, 0)
	}
	out.Capacity.Want(f)
	return out, err
}

func seeMulti(tx store.Tx, f *domain.Fleet) (FleetSeen, error) {
	out := FleetSeen{Fleet: f}
	live, err := liveSessions(tx, f.Key)
	if err != nil {
		return out, err
	}
	on := map[string]int{}
	for _, x := range live {
		on[x.Instance]++
	}
	err = tx.Query(ofFleet(domain.KindFleetInstance, f.Key), func(r store.Row) (bool, error) {
		i := new(domain.FleetInstance) // it keeps the number of slots that it was made with
		err := r.Decode(i)
		out.Capacity.Count(i.State, 1, i.Slots, on[i.Key.Name])
		return true, err
	})
	out.Capacity.Want(f)
	return out, err
}

// DeleteFleet removes a stopped fleet that no stack has.
func (s *Service) DeleteFleet(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, name)
		if err != nil {
			return err
		}
		stacks, err := tx.Referrers(f.Key, domain.KindStack)
		switch {
		case err != nil:
			return err
		case f.State != domain.FleetStopped:
			return fault.New(fault.InUse, "The fleet %s is %s. The fleet must be STOPPED for this action to succeed.", name, f.State).
				WithHint("Stop it with StopFleet and wait until it is STOPPED.")
		case len(stacks) > 0: // the sentence is the real service's
			return fault.New(fault.InUse, "The fleet %s is associated with a stack. To delete the fleet, you must dissociate it from the stack.", name).
				WithHint("The stack is %s.", stacks[0].Name)
		}
		ended, err := store.List[domain.Session](tx, ofFleet(domain.KindSession, f.Key))
		if err != nil {
			return err
		}
		for _, x := range ended { // they were kept for whoever asks how they ended
			if err := errors.Join(tx.Delete(x.Key), tx.Forget(x.Key)); err != nil {
				return err
			}
		}
		return tx.Delete(f.Key)
	})
}

// StopFleet begins to end a fleet's sessions and to remove its instances. A
// fleet that is stopped already stays so.
func (s *Service) StopFleet(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, name)
		if err != nil {
			return err
		}
		f.Errors, f.Trouble = nil, domain.FleetTrouble{}
		_, err = tx.Move(f.Key, domain.FleetAskStop, "", f)
		return err
	})
}

// StartFleet begins to bring a fleet's instances up.
func (s *Service) StartFleet(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, name)
		if err != nil {
			return err
		}
		switch _, v := domain.FleetMachine.Next(f.State, domain.FleetAskStart); v {
		case domain.Ignore:
			return nil
		case domain.Refuse:
			return fault.New(fault.WrongState, "The fleet %s is %s. The fleet must be STOPPED for this action to succeed.", name, f.State)
		}
		if err := s.checkStart(tx, c, f); err != nil {
			return err
		}
		f.Errors, f.Trouble = nil, domain.FleetTrouble{}
		_, err = tx.Move(f.Key, domain.FleetAskStart, "", f)
		return err
	})
}

// checkStart refuses fleets that this server cannot serve.
func (s *Service) checkStart(tx store.Tx, c domain.Caller, f *domain.Fleet) error {
	if f.Type == domain.FleetElastic {
		return fault.New(fault.Unsupported, "The fleet %s is an Elastic fleet: app blocks are not served yet.", f.Key.Name).
			WithHint("Make a fleet of type ALWAYS_ON or ON_DEMAND from an image.")
	}
	host := s.room()
	if f.Multi() && !host.Pretend {
		return fault.New(fault.Unsupported, "The fleet %s has several sessions per instance: machines here have one screen each.", f.Key.Name).
			WithHint("Delete MAX_SESSIONS_PER_INSTANCE and set DesiredInstances, or try it with `slipway serve --compute=fake`.")
	}
	t, ok := s.instances().Find(f.InstanceType)
	switch {
	case !ok:
		return fault.New(fault.NotAvailable, "The instance type %s of the fleet %s is not in the catalogue any more.", f.InstanceType, f.Key.Name)
	case t.GPU && !host.Pretend:
		return s.noGPU(t)
	}
	img := new(domain.Image)
	if err := tx.Get(f.Image, img); fault.Is(err, fault.NotFound) {
		return noImage(f.Image.Name, c)
	} else if err != nil {
		return err
	}
	if err := mustBeAvailable(img); err != nil {
		return err
	}
	if f.Disk == "" && !host.Pretend {
		return noDisk(img)
	}
	if f.RoleARN != "" {
		if err := s.checkRole(tx, c, f.RoleARN, nil); err != nil {
			return err
		}
	}
	return s.checkRoom(tx, f, t)
}

// checkRoom holds what a fleet that is up wants against the quota of its type
// and against the host. What it has already counts as its own.
func (s *Service) checkRoom(tx store.Tx, f *domain.Fleet, t domain.InstanceType) error {
	limit, err := quota(tx, f.Key.Scope, domain.QuotaInstances)
	if err != nil {
		return err
	}
	all := f.Wanted()
	up, err := store.List[domain.Fleet](tx, store.Query{Kind: domain.KindFleet, Account: f.Key.Account, Region: f.Key.Region,
		States: []domain.State{domain.FleetStarting, domain.FleetRunning}})
	if err != nil {
		return err
	}
	for _, o := range up {
		if o.Key != f.Key && o.InstanceType == f.InstanceType {
			all += o.Wanted()
		}
	}
	if all > limit {
		return overCapacity(f, all, limit)
	}
	return s.fits(tx, t, f.Wanted(), f.Key)
}

// overCapacity is the sentence that the service documents, its stray quote
// included.
func overCapacity(f *domain.Fleet, requested, limit int) error {
	return fault.New(fault.Quota, "The Instance type '%s' capacity limit for fleet %s' was exceeded. Requested: %d, Limit: %d", f.InstanceType, f.Key.Name, requested, limit).
		WithHint("(Raise it: slipway quota set %s.)", domain.QuotaInstances)
}
