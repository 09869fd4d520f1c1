package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// A stack has one fleet; a fleet may have several stacks. The association is the
// stack's reference to the fleet, and nothing else.

// fleetOf names the fleet of a stack; "" for none.
func fleetOf(tx store.Tx, stack domain.Key) (string, error) {
	uses, err := tx.References(stack)
	for _, k := range uses {
		if k.Kind == domain.KindFleet {
			return k.Name, err
		}
	}
	return "", err
}

// AssociateFleet gives a stack its fleet; once more is fine.
func (s *Service) AssociateFleet(ctx context.Context, c domain.Caller, fleet, stack string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, fleet)
		if err != nil {
			return err
		}
		n, err := ownStack(tx, c, stack)
		if err != nil {
			return err
		}
		have, err := fleetOf(tx, n.Key)
		switch {
		case err != nil || have == fleet:
			return err
		case have != "":
			return fault.New(fault.WrongState, "The stack %s has the fleet %s already: a stack has one fleet.", stack, have).
				WithHint("Take that away first, with DisassociateFleet.")
		}
		return tx.Refer(n.Key, f.Key)
	})
}

// DisassociateFleet takes a fleet away from a stack through which nobody has a
// session on it.
func (s *Service) DisassociateFleet(ctx context.Context, c domain.Caller, fleet, stack string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, fleet)
		if err != nil {
			return err
		}
		n, err := ownStack(tx, c, stack)
		if err != nil {
			return err
		}
		have, err := fleetOf(tx, n.Key)
		if err != nil {
			return err
		}
		if have != fleet {
			return noAssociation(fleet, stack)
		}
		live, err := liveSessions(tx, f.Key)
		if err != nil {
			return err
		}
		for _, x := range live {
			if x.Stack == stack {
				return fault.New(fault.InUse, "The fleet %s cannot be disassociated from the stack %s: user %s has a session.", fleet, stack, x.User).
					WithHint("Wait until it has ended, or end it with ExpireSession.")
			}
		}
		return tx.Unrefer(n.Key, f.Key)
	})
}

func noAssociation(fleet, stack string) error {
	return fault.New(fault.NotFound, "The fleet %s is not associated with the stack %s.", fleet, stack).WithHint("Associate them first, with AssociateFleet.")
}

// StackFleets names the fleets of a stack. The operation knows no error but bad
// values: a stack that is not there is one.
func (s *Service) StackFleets(ctx context.Context, c domain.Caller, stack string) (out []string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		n, err := ownStack(tx, c, stack)
		if err != nil {
			return err
		}
		f, err := fleetOf(tx, n.Key)
		if f != "" {
			out = []string{f}
		}
		return err
	})
	return out, err
}

// FleetStacks names the stacks of a fleet, in order, and says where to go on.
func (s *Service) FleetStacks(ctx context.Context, c domain.Caller, fleet, after string, limit int) (out []string, next string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		f, err := ownFleet(tx, c, fleet)
		if err != nil {
			return err
		}
		keys, err := tx.Referrers(f.Key, domain.KindStack)
		for _, k := range keys {
			if k.Name > after {
				out = append(out, k.Name)
			}
		}
		return err
	})
	if err == nil && limit > 0 && len(out) > limit {
		out = out[:limit]
		next = out[limit-1]
	}
	return out, next, err
}
