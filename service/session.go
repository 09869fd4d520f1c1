package service

import (
	"context"
	"slices"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// liveStates are those of sessions that have not ended.
var liveStates = []domain.State{domain.SessionPending, domain.SessionActive}

// liveSessions lists a fleet's sessions that have not ended.
func liveSessions(tx store.Tx, fleet domain.Key) ([]*domain.Session, error) {
	q := ofFleet(domain.KindSession, fleet)
	q.States = liveStates
	return store.List[domain.Session](tx, q)
}

// SessionQuery selects sessions of one stack and fleet.
type SessionQuery struct {
	Stack, Fleet string
	User, Auth   string // Auth "" means API
	Instance     string
	After        string
	Limit        int
}

// SessionSeen is a session as it is at this moment.
type SessionSeen struct {
	*domain.Session
	Connected bool
	// Drain is the instance's: ACTIVE, DRAINING, or NOT_APPLICABLE for fleets with
	// one session per instance.
	Drain string
	// Address and ENI are the instance's; "" when it is gone.
	Address, ENI string
}

// Sessions lists sessions of one stack and fleet, also such that ended lately,
// in order of id, and says where to go on.
func (s *Service) Sessions(ctx context.Context, c domain.Caller, q SessionQuery) (out []SessionSeen, next string, err error) {
	auth := q.Auth
	if auth == "" {
		auth = domain.AuthAPI
		if q.User != "" {
			return nil, "", fault.New(fault.BadCombination, "UserId needs an AuthenticationType.").WithHint("Users of CreateStreamingURL have API.")
		}
	}
	if q.Limit < 0 || q.Limit > domain.SessionsPage {
		return nil, "", fault.New(fault.BadValue, "Limit is %d: it must be from 1 to %d.", q.Limit, domain.SessionsPage)
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if _, err := ownStack(tx, c, q.Stack); err != nil {
			return err
		}
		f, err := ownFleet(tx, c, q.Fleet)
		if err != nil {
			return err
		}
		all, err := store.List[domain.Session](tx, ofFleet(domain.KindSession, f.Key))
		if err != nil {
			return err
		}
		for _, x := range all {
			if x.Key.Name <= q.After || x.Stack != q.Stack || x.Auth != auth || q.User != "" && x.User != q.User || q.Instance != "" && x.Instance != q.Instance {
				continue
			}
			if q.Limit > 0 && len(out) == q.Limit {
				next = out[len(out)-1].Key.Name
				break
			}
			seen, err := s.seeSession(tx, x)
			if err != nil {
				return err
			}
			out = append(out, seen)
		}
		return nil
	})
	return out, next, err
}

// AllSessions lists every session of the caller's in a Region, of one fleet or
// of all. A fleet that is not there is fault.NotFound.
func (s *Service) AllSessions(ctx context.Context, c domain.Caller, fleet string) (out []SessionSeen, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if fleet != "" {
			if _, err := ownFleet(tx, c, fleet); err != nil {
				return err
			}
		}
		all, err := store.List[domain.Session](tx, store.Query{Kind: domain.KindSession, Account: c.Account, Region: c.Region, Alias: fleet})
		if err != nil {
			return err
		}
		for _, x := range all {
			seen, err := s.seeSession(tx, x)
			if err != nil {
				return err
			}
			out = append(out, seen)
		}
		return nil
	})
	return out, err
}

func (s *Service) seeSession(tx store.Tx, x *domain.Session) (SessionSeen, error) {
	out := SessionSeen{Session: x, Connected: x.State != domain.SessionExpired && x.Connected(s.Store.Epoch()), Drain: domain.DrainNone}
	i := new(domain.FleetInstance)
	err := tx.Get(x.InstanceKey(), i)
	if fault.Is(err, fault.NotFound) {
		return out, nil // removed since the session ended
	}
	out.Address, out.ENI = i.Address, i.ENI
	if err == nil && i.Slots > 1 {
		out.Drain = domain.DrainActive
		if i.State == domain.InstanceDraining {
			out.Drain = domain.DrainDraining
		}
	}
	return out, err
}

// ExpireSession ends a session at once. One that is not there, or has ended, is
// fine: the operation models no error.
func (s *Service) ExpireSession(ctx context.Context, c domain.Caller, id string) error {
	return s.endSession(ctx, c.Key(domain.KindSession, id), domain.EndedByAPI)
}

// EndSession ends a session because its user asked for it.
func (s *Service) EndSession(ctx context.Context, key domain.Key) error {
	return s.endSession(ctx, key, domain.EndedByUser)
}

func (s *Service) endSession(ctx context.Context, key domain.Key, why string) error {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		x := new(domain.Session)
		if err := tx.Get(key, x); err != nil {
			return err
		}
		x.End(tx.Now(), why)
		if v, err := tx.Move(key, domain.SessionExpire, why, x); err != nil || v != domain.Accept {
			return err
		}
		return vacate(tx, x)
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// vacate lets go of an instance with its only session, at the same moment: nobody
// is told that it is in use, and nobody else ever gets it.
func vacate(tx store.Tx, x *domain.Session) error {
	i := new(domain.FleetInstance)
	if err := tx.Get(x.InstanceKey(), i); fault.Is(err, fault.NotFound) || err == nil && i.Slots > 1 {
		return nil
	} else if err != nil {
		return err
	}
	i.Why = domain.WhyVacated
	_, err := tx.Move(i.Key, domain.InstanceDiscard, i.Why, i)
	return err
}

// DrainSessionInstance keeps new sessions away from the instance of a session;
// when its sessions have ended it is replaced. It is for instances with several
// sessions.
func (s *Service) DrainSessionInstance(ctx context.Context, c domain.Caller, id string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		x, i := new(domain.Session), new(domain.FleetInstance)
		err := tx.Get(c.Key(domain.KindSession, id), x)
		if err == nil && x.State != domain.SessionExpired {
			err = tx.Get(x.InstanceKey(), i)
		} else if err == nil {
			err = fault.New(fault.NotFound, "The session has ended.")
		}
		switch {
		case fault.Is(err, fault.NotFound):
			return fault.New(fault.NotFound, "The session %s for account %s does not exist.", id, c.Account)
		case err != nil:
			return err
		case i.Slots <= 1:
			return fault.New(fault.Unsupported, "The fleet %s has one session per instance: only instances with several sessions can be drained.", x.Fleet)
		case !slices.Contains([]domain.State{domain.InstanceInUse, domain.InstanceDraining}, i.State):
			return fault.New(fault.Busy, "The instance %s is %s: it cannot be drained now.", i.Key.Name, i.State)
		}
		_, err = tx.Move(i.Key, domain.InstanceDrain, "", nil)
		return err
	})
}
