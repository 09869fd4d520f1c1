package service

import (
	"context"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// SessionAsk is what CreateStreamingURL asks for.
type SessionAsk struct {
	Stack, Fleet string
	User         string
	Application  string // of the image's catalogue, or Desktop; "" leaves it to the user
	Context      string // for the guest's environment
	Seconds      *int64 // that the address may be opened; nil is a minute
}

// SessionAddress makes the address at which a user gets a session. No instance
// is taken before the address is opened.
func (s *Service) SessionAddress(ctx context.Context, c domain.Caller, in SessionAsk) (address string, expires time.Time, err error) {
	life, err := checkValidity(in.Seconds, domain.ValiditySessionDefault)
	if err != nil {
		return "", time.Time{}, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := ownStack(tx, c, in.Stack)
		if err != nil {
			return err
		}
		f, err := ownFleet(tx, c, in.Fleet)
		if err != nil {
			return err
		}
		if err := mustServe(tx, n.Key, f); err != nil {
			return err
		}
		if err := checkApplication(tx, f, in.Application); err != nil {
			return err
		}
		t := &domain.Ticket{Purpose: domain.ForSession, Subject: f.Key, User: in.User, Session: &domain.SessionWish{
			Stack: in.Stack, StackMade: n.Created, FleetMade: f.Created, Auth: domain.AuthAPI, Application: in.Application, Context: in.Context}}
		address, err = s.issue(tx, t, n.Endpoints, life)
		expires = t.Expires
		return err
	})
	return address, expires, err
}

// mustServe wants a stack to have a fleet, and the fleet to run.
func mustServe(tx store.Tx, stack domain.Key, f *domain.Fleet) error {
	have, err := fleetOf(tx, stack)
	switch {
	case err != nil:
		return err
	case have != f.Key.Name:
		return fault.New(fault.WrongState, "The fleet %s is not associated with the stack %s.", f.Key.Name, stack.Name).WithHint("Associate them first, with AssociateFleet.")
	case f.State != domain.FleetRunning:
		return fault.New(fault.NotAvailable, "The fleet %s is %s. The fleet must be RUNNING for this action to succeed.", f.Key.Name, f.State)
	}
	return nil
}

// desktopApplication is the word that opens the desktop instead of an
// application.
const desktopApplication = "Desktop"

func checkApplication(tx store.Tx, f *domain.Fleet, name string) error {
	switch {
	case name == "":
		return nil
	case strings.EqualFold(name, desktopApplication):
		if f.StreamView != domain.ViewDesktop {
			return fault.New(fault.BadCombination, "The fleet %s shows applications only: ApplicationId Desktop needs a fleet with StreamView DESKTOP.", f.Key.Name)
		}
		return nil
	}
	img := new(domain.Image)
	if err := tx.Get(f.Image, img); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	for _, a := range img.Catalog {
		if a.Name == name {
			return nil
		}
	}
	return fault.New(fault.NotFound, "The application %s is not in the catalogue of the image %s.", name, f.Image.Name)
}

// openSession gives the holder of an address their session: the one they have
// on this stack and fleet, or a new one on an instance that is theirs from now
// on. Errors: WrongState and NotAvailable (the fleet does not serve), Unavailable
// (every instance is taken).
func (s *Service) openSession(ctx context.Context, tx store.Tx, t *domain.Ticket) (*domain.Session, error) {
	f, n, err := wished(tx, t)
	if err != nil {
		return nil, err
	}
	if err := mayEnter(ctx, n.Endpoints); err != nil {
		return nil, err
	}
	live, err := liveSessions(tx, f.Key)
	if err != nil {
		return nil, err
	}
	for _, x := range live {
		if x.User == t.User && x.Stack == t.Session.Stack && x.Auth == t.Session.Auth {
			return x, nil
		}
	}
	if err := mustServe(tx, n.Key, f); err != nil {
		return nil, err
	}
	i, err := freeInstance(tx, f, live)
	if err != nil {
		return nil, err
	}
	now := tx.Now()
	x := &domain.Session{
		Stack: t.Session.Stack, Fleet: f.Key.Name, User: t.User, Auth: t.Session.Auth, Instance: i.Key.Name, Application: t.Session.Application, Context: t.Session.Context,
		View: f.StreamView, Started: now, Ends: now.Add(time.Duration(f.MaxDuration) * time.Second), Disconnect: f.Disconnect(), Idle: f.Idle(), Left: now, Active: now,
	}
	x.Key = domain.Key{Scope: f.Key.Scope, Kind: domain.KindSession, Name: s.IDs.UUID()}
	if err := tx.Insert(x); err != nil {
		return nil, err
	}
	v, err := tx.Move(i.Key, domain.InstanceTaken, x.Key.Name, nil)
	if err != nil {
		return nil, err
	}
	if v != domain.Accept && i.Slots <= 1 {
		return nil, fault.New(fault.Internal, "The instance %s of the fleet %s was to be given to a second user.", i.Key.Name, f.Key.Name)
	}
	if domain.MachineUp(i.State) { // as it was when it was found
		_, err = tx.Move(x.Key, domain.SessionUp, "", x)
	}
	return x, err
}

// wished finds the fleet and the stack that a ticket was made for: no later ones
// of their names.
func wished(tx store.Tx, t *domain.Ticket) (*domain.Fleet, *domain.Stack, error) {
	f, n := new(domain.Fleet), new(domain.Stack)
	n.Key = domain.Key{Scope: t.Subject.Scope, Kind: domain.KindStack, Name: t.Session.Stack}
	for _, x := range []struct {
		what string
		key  domain.Key
		noun domain.Noun
		made time.Time
	}{{"fleet", t.Subject, f, t.Session.FleetMade}, {"stack", n.Key, n, t.Session.StackMade}} {
		err := tx.Get(x.key, x.noun)
		if fault.Is(err, fault.NotFound) || err == nil && !x.noun.Head().Created.Equal(x.made) {
			return nil, nil, fault.New(fault.NotFound, "The %s %s does not exist any more.", x.what, x.key.Name)
		} else if err != nil {
			return nil, nil, err
		}
	}
	return f, n, nil
}

// freeInstance finds an instance with room for one session more: of several
// sessions per instance the fullest, so that others can be let go; with a user of
// its own, one that runs before one that must be started.
func freeInstance(tx store.Tx, f *domain.Fleet, live []*domain.Session) (*domain.FleetInstance, error) {
	on := map[string]int{}
	for _, x := range live {
		on[x.Instance]++
	}
	q := ofFleet(domain.KindFleetInstance, f.Key)
	q.States = []domain.State{domain.InstanceReady, domain.InstanceStandby}
	if f.Multi() {
		q.States = append(q.States, domain.InstanceInUse, domain.InstanceStarting)
	}
	all, err := store.List[domain.FleetInstance](tx, q)
	if err != nil {
		return nil, err
	}
	var best *domain.FleetInstance
	for _, i := range all {
		// One of an older generation is about to be replaced.
		if i.Generation == f.Generation && on[i.Key.Name] < i.Slots && (best == nil || better(i, best, on)) {
			best = i
		}
	}
	if best == nil {
		return nil, fault.New(fault.Unavailable, "No streaming resource of the fleet %s is available now.", f.Key.Name).WithHint("Try again in a moment.")
	}
	return best, nil
}

func better(a, b *domain.FleetInstance, on map[string]int) bool {
	if x, y := on[a.Key.Name], on[b.Key.Name]; x != y {
		return x > y
	}
	return domain.MachineUp(a.State) && !domain.MachineUp(b.State)
}
