package service

import (
	"context"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Guest is what a machine's guest may know of itself.
type Guest struct {
	domain.Guest
	Zone domain.Zone
	In   *domain.Subnet // nil without one
}

// Guest finds the guest of a machine while it is at work; else fault.NotFound.
func (s *Service) Guest(ctx context.Context, machine string) (*Guest, error) {
	g := &Guest{}
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if g.Guest, err = store.Guest(tx, machine); err != nil {
			return err
		}
		g.Zone = domain.Zones(g.Of.Region)[0]
		if g.Subnet == "" {
			return nil
		}
		in := new(domain.Subnet)
		if err := tx.Get(domain.Key{Scope: g.Of.Scope, Kind: domain.KindSubnet, Name: g.Subnet}, in); fault.Is(err, fault.NotFound) {
			return nil // deleted since; the instances of a fleet that has others now go on
		} else if err != nil {
			return err
		}
		g.In = in
		for _, z := range domain.Zones(g.Of.Region) {
			if z.Name == in.Zone {
				g.Zone = z
			}
		}
		return nil
	})
	return g, err
}

// guestKeys remembers the credentials that were last given to each machine. A
// server that starts anew gives new ones; the old ones hold until they end.
type guestKeys struct {
	mu sync.Mutex
	m  map[string]*domain.SessionKey
}

// renewal is how long before their end credentials are followed by others.
// Clients ask again up to 15 minutes before it.
const renewal = 20 * time.Minute

// GuestCredentials gives a machine's guest credentials of its role, the image
// builder's or the fleet's. They end after an hour, when the builder stops or the
// instance is taken away, and with the role; the same
// are given again until they are about to end. fault.NotFound: it has no role,
// or none that may be assumed for it any more.
func (s *Service) GuestCredentials(ctx context.Context, machine string) (*domain.SessionKey, error) {
	s.guests.mu.Lock()
	defer s.guests.mu.Unlock()
	old := s.guests.m[machine]
	var fresh *domain.SessionKey
	err := s.Store.View(ctx, func(tx store.Tx) error {
		g, r, err := s.guestRole(tx, machine)
		if err == nil && old != nil && old.Guest.Run == g.Run && old.RoleID == r.ID && old.Expires.Sub(tx.Now()) > renewal {
			fresh = old
		}
		return err
	})
	if err != nil || fresh != nil {
		return fresh, err
	}
	k := &domain.SessionKey{Secret: s.IDs.Secret(), Token: s.IDs.SessionToken()}
	k.Key = domain.Key{Kind: domain.KindSessionKey, Name: s.IDs.SessionKey()}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		g, r, err := s.guestRole(tx, machine)
		if err != nil {
			return err
		}
		k.Session = g.ID
		k.Account, k.Role, k.RoleID, k.Expires = r.Key.Account, r.Key.Name, r.ID, tx.Now().Add(domain.SessionDefault).Truncate(time.Second)
		k.Guest = &domain.GuestRun{Machine: machine, Run: g.Run}
		for id, old := range s.guests.m {
			if !tx.Now().Before(old.Expires) {
				delete(s.guests.m, id)
			}
		}
		return s.insertSession(tx, k)
	})
	if err != nil {
		return nil, err
	}
	if s.guests.m == nil {
		s.guests.m = map[string]*domain.SessionKey{}
	}
	s.guests.m[machine] = k
	return k, nil
}

// guestRole finds the role that a machine's guest acts as, which must still
// trust the service.
func (s *Service) guestRole(tx store.Tx, machine string) (domain.Guest, *domain.Role, error) {
	g, err := store.Guest(tx, machine)
	if err != nil {
		return g, nil, err
	}
	none := fault.New(fault.NotFound, "The guest of the machine %s has no role.", machine)
	if g.RoleARN == "" {
		return g, nil, none
	}
	err = s.checkRole(tx, domain.Caller{Account: g.Of.Account, Region: g.Of.Region}, g.RoleARN, nil)
	if fault.Is(err, fault.BadRole) {
		return g, nil, none
	} else if err != nil {
		return g, nil, err
	}
	r, err := roleByARN(tx, g.RoleARN)
	if err == nil && r == nil {
		err = none
	}
	return g, r, err
}

// checkGuest refuses a session that was given to a guest once the run it was
// given to has ended, or the role is gone.
func checkGuest(tx store.Tx, k *domain.SessionKey) error {
	g, err := store.Guest(tx, k.Guest.Machine)
	if err != nil {
		return err
	}
	r := new(domain.Role)
	if err := tx.Get(iamKey(k.Account, domain.KindRole, k.Role), r); err != nil {
		return err
	}
	if g.Run != k.Guest.Run || r.ID != k.RoleID {
		return fault.New(fault.NotFound, "The session of the access key %s has ended.", k.Key.Name)
	}
	return nil
}
