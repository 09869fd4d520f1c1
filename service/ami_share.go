package service

import (
	"context"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Grant is a change of who may use an AMI or snapshot: accounts by id, and
// everybody ("all").
type Grant struct {
	Add, Remove       []string
	AddAll, RemoveAll bool
}

func (g Grant) empty() bool {
	return len(g.Add)+len(g.Remove) == 0 && !g.AddAll && !g.RemoveAll
}

func (g Grant) check() error {
	for _, a := range slices.Concat(g.Add, g.Remove) {
		if !domain.IsAccountID(a) {
			return fault.New(fault.BadValue, "Invalid attribute item value \"%s\" for userId item type.", a).WithCode("InvalidAMIAttributeItemValue")
		}
	}
	return nil
}

// apply changes the list and the public mark of a resource, and who refers to it.
func (g Grant) apply(tx store.Tx, key domain.Key, shared *[]string, public *bool) error {
	for _, a := range g.Add {
		if !slices.Contains(*shared, a) {
			*shared = append(*shared, a)
		}
		if err := tx.Refer(domain.AccountKey(a), key); err != nil {
			return err
		}
	}
	for _, a := range g.Remove {
		*shared = slices.DeleteFunc(*shared, func(b string) bool { return a == b })
		if err := tx.Unrefer(domain.AccountKey(a), key); err != nil {
			return err
		}
	}
	slices.Sort(*shared)
	switch {
	case g.AddAll:
		*public = true
		return tx.Refer(domain.Everyone(), key)
	case g.RemoveAll:
		*public = false
		return tx.Unrefer(domain.Everyone(), key)
	}
	return nil
}

// AMIChange is what ModifyImageAttribute asks for.
type AMIChange struct {
	ID          string
	Description *string
	Launch      Grant
	DryRun      bool
}

// ModifyAMI changes an AMI of the caller's.
func (s *Service) ModifyAMI(ctx context.Context, c domain.Caller, ch AMIChange) error {
	if ch.Description == nil && ch.Launch.empty() {
		return fault.New(fault.BadCombination, "No attributes specified.").WithHint("Give Description or LaunchPermission.")
	}
	if err := ch.Launch.check(); err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		ami, err := ownAMI(tx, c, ch.ID)
		if err != nil {
			return err
		}
		if ch.Description != nil {
			ami.Description = *ch.Description
		}
		if ch.Launch.AddAll && !ami.Public {
			if err := publicRoom(tx, c); err != nil {
				return err
			}
		}
		if err := ch.Launch.apply(tx, ami.Key, &ami.Shared, &ami.Public); err != nil {
			return err
		}
		if len(ch.Launch.Add) > 0 {
			// The list has grown already: what must fit is the list itself.
			if err := room(tx, c.Scope(), domain.QuotaAMIShares, "ResourceLimitExceeded", len(ami.Shared)-1); err != nil {
				return err
			}
		}
		if ch.DryRun {
			return errDryRun()
		}
		return tx.Put(ami)
	})
}

func publicRoom(tx store.Tx, c domain.Caller) error {
	keys, err := tx.References(domain.Everyone())
	if err != nil {
		return err
	}
	n := 0
	for _, k := range keys {
		if k.Kind == domain.KindAMI && k.Scope == c.Scope() {
			n++
		}
	}
	return room(tx, c.Scope(), domain.QuotaPublicAMIs, "ResourceLimitExceeded", n)
}

// ResetAMI takes every launch permission of an AMI back.
func (s *Service) ResetAMI(ctx context.Context, c domain.Caller, id string, dryRun bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		ami, err := ownAMI(tx, c, id)
		if err != nil {
			return err
		}
		ami.Shared, ami.Public = nil, false
		if err := unshareAll(tx, ami.Key); err != nil {
			return err
		}
		if dryRun {
			return errDryRun()
		}
		return tx.Put(ami)
	})
}

// OwnAMI finds an AMI of the caller's.
func (s *Service) OwnAMI(ctx context.Context, c domain.Caller, id string) (*domain.AMI, error) {
	var ami *domain.AMI
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		ami, err = ownAMI(tx, c, id)
		return err
	})
	return ami, err
}

// ownAMI finds an AMI of the caller's; to one that is only shared with them
// they may do nothing.
func ownAMI(tx store.Tx, c domain.Caller, id string) (*domain.AMI, error) {
	ami, err := visibleAMI(tx, c, id)
	if err == nil && ami.Key.Account != c.Account {
		return nil, fault.New(fault.Denied, "Not authorized for image:%s.", id).
			WithHint("Only account %s, which owns it, may do this.", ami.Key.Account).WithCode("AuthFailure")
	}
	return ami, err
}

// visibleAMI finds an AMI that the caller owns or may launch.
func visibleAMI(tx store.Tx, c domain.Caller, id string) (*domain.AMI, error) {
	ami := new(domain.AMI)
	err := tx.Get(c.Key(domain.KindAMI, id), ami)
	if !fault.Is(err, fault.NotFound) {
		return ami, err
	}
	all, err := store.List[domain.AMI](tx, store.Query{Kind: domain.KindAMI, Region: c.Region, Names: []string{id}})
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if launchable(a, c) {
			return a, nil
		}
	}
	return nil, noID(domain.KindAMI, id)
}

// launchable tells whether somebody may launch an AMI.
func launchable(a *domain.AMI, c domain.Caller) bool {
	return a.Public || a.Key.Account == c.Account || slices.Contains(a.Shared, c.Account)
}

// seenAMI is an AMI as somebody who is not its owner knows it.
func seenAMI(a *domain.AMI, c domain.Caller) *domain.AMI {
	if a.Key.Account != c.Account {
		a.Tags = nil
		a.Shared = slices.DeleteFunc(a.Shared, func(b string) bool { return b != c.Account })
	}
	return a
}
