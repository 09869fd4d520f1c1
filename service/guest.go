package service

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Guest is what a machine's guest may know of itself.
type Guest struct {
	Builder *domain.Builder
	Zone    domain.Zone
	VPC     string         // "" without a subnet
	Subnet  *domain.Subnet // nil without one
}

// Address is the guest's.
func (g *Guest) Address() netip.Addr {
	p, _ := netip.ParsePrefix(g.Builder.Address)
	return p.Addr()
}

// Guest finds the image builder that a machine belongs to, while its guest is
// at work; else fault.NotFound.
func (s *Service) Guest(ctx context.Context, machine string) (*Guest, error) {
	var g *Guest
	err := s.Store.View(ctx, func(tx store.Tx) error {
		b, err := guestBuilder(tx, machine)
		if err != nil {
			return err
		}
		g = &Guest{Builder: b, Zone: domain.Zones(b.Key.Region)[0]}
		if len(b.Subnets) == 0 {
			return nil
		}
		g.Subnet = new(domain.Subnet)
		if err := tx.Get(domain.Key{Scope: b.Key.Scope, Kind: domain.KindSubnet, Name: b.Subnets[0]}, g.Subnet); err != nil {
			return err
		}
		g.VPC = g.Subnet.VPC
		for _, z := range domain.Zones(b.Key.Region) {
			if z.Name == g.Subnet.Zone {
				g.Zone = z
			}
		}
		return nil
	})
	return g, err
}

func guestBuilder(tx store.Tx, machine string) (*domain.Builder, error) {
	none := fault.New(fault.NotFound, "No image builder has the machine %s.", machine)
	if machine == "" {
		return nil, none
	}
	all, err := store.List[domain.Builder](tx, store.Query{Kind: domain.KindBuilder, Alias: machine})
	if err != nil {
		return nil, err
	}
	if len(all) != 1 || !domain.HasGuest(all[0].State) {
		return nil, none
	}
	return all[0], nil
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

// GuestCredentials gives a machine's guest credentials of its builder's role.
// They end after an hour, when the builder stops, and with the role; the same
// are given again until they are about to end. fault.NotFound: it has no role,
// or none that may be assumed for it any more.
func (s *Service) GuestCredentials(ctx context.Context, machine string) (*domain.SessionKey, error) {
	s.guests.mu.Lock()
	defer s.guests.mu.Unlock()
	old := s.guests.m[machine]
	var fresh *domain.SessionKey
	err := s.Store.View(ctx, func(tx store.Tx) error {
		b, r, err := s.guestRole(tx, machine)
		if err == nil && old != nil && old.Guest.Run == b.Run && old.RoleID == r.ID && old.Expires.Sub(tx.Now()) > renewal {
			fresh = old
		}
		return err
	})
	if err != nil || fresh != nil {
		return fresh, err
	}
	k := &domain.SessionKey{Secret: s.IDs.Secret(), Token: s.IDs.SessionToken(), Session: domain.InstanceID(machine)}
	k.Key = domain.Key{Kind: domain.KindSessionKey, Name: s.IDs.SessionKey()}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		b, r, err := s.guestRole(tx, machine)
		if err != nil {
			return err
		}
		k.Account, k.Role, k.RoleID, k.Expires = r.Key.Account, r.Key.Name, r.ID, tx.Now().Add(domain.SessionDefault).Truncate(time.Second)
		k.Guest = &domain.GuestRun{Machine: machine, Run: b.Run}
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
func (s *Service) guestRole(tx store.Tx, machine string) (*domain.Builder, *domain.Role, error) {
	b, err := guestBuilder(tx, machine)
	if err != nil {
		return nil, nil, err
	}
	none := fault.New(fault.NotFound, "The image builder %s has no role.", b.Key.Name)
	if b.RoleARN == "" {
		return nil, nil, none
	}
	err = s.checkRole(tx, domain.Caller{Account: b.Key.Account, Region: b.Key.Region}, b.RoleARN, nil)
	if fault.Is(err, fault.BadRole) {
		return nil, nil, none
	} else if err != nil {
		return nil, nil, err
	}
	r, err := roleByARN(tx, b.RoleARN)
	if err == nil && r == nil {
		err = none
	}
	return b, r, err
}

// checkGuest refuses a session that was given to a guest once the run it was
// given to has ended, or the role is gone.
func checkGuest(tx store.Tx, k *domain.SessionKey) error {
	b, err := guestBuilder(tx, k.Guest.Machine)
	if err != nil {
		return err
	}
	r := new(domain.Role)
	if err := tx.Get(iamKey(k.Account, domain.KindRole, k.Role), r); err != nil {
		return err
	}
	if b.Run != k.Guest.Run || r.ID != k.RoleID {
		return fault.New(fault.NotFound, "The session of the access key %s has ended.", k.Key.Name)
	}
	return nil
}
