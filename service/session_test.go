package service_test

import (
	"net/url"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// served is a house with a fleet that runs, a stack that has it, and so many
// instances.
func served(t *testing.T, instances int, change func(*service.FleetSpec)) (*house, *wound, []domain.Key) {
	h, clock := streaming(t)
	h.Host = small{domain.HostRoom{Pretend: true}}
	_, err := h.fleet(change)
	h.must(err)
	_, err = h.CreateStack(t.Context(), me, "s", domain.Stack{})
	h.must(err)
	h.must(h.AssociateFleet(t.Context(), me, "f", "s"))
	h.started()
	return h, clock, h.instance(instances, domain.InstanceUp)
}

func (h *house) address(user string, change func(*service.SessionAsk)) (string, error) {
	in := service.SessionAsk{Stack: "s", Fleet: "f", User: user}
	if change != nil {
		change(&in)
	}
	address, _, err := h.SessionAddress(h.t.Context(), me, in)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	return u.Query().Get(service.StreamToken), err
}

// opened is the session that a user gets who opens an address.
func (h *house) opened(user string) *service.Screen {
	h.t.Helper()
	token, err := h.address(user, nil)
	h.must(err)
	scr, _, err := h.OpenAddress(h.t.Context(), token)
	h.must(err)
	return scr
}

func TestStreamingURLRules(t *testing.T) {
	h, _, _ := served(t, 1, nil)
	_, err := h.CreateStack(t.Context(), me, "lonely", domain.Stack{})
	h.must(err)
	type ask = service.SessionAsk
	for _, c := range []struct {
		name   string
		change func(*ask)
		kind   fault.Kind
		words  string
	}{
		{"no stack", func(a *ask) { a.Stack = "none" }, fault.NotFound, "The stack none"},
		{"no fleet", func(a *ask) { a.Fleet = "none" }, fault.NotFound, "The fleet none"},
		{"stack without the fleet", func(a *ask) { a.Stack = "lonely" }, fault.WrongState, "not associated"},
		{"short", func(a *ask) { a.Seconds = new(int64(0)) }, fault.BadValue, "from 1 to 604800"},
		{"long", func(a *ask) { a.Seconds = new(int64(604801)) }, fault.BadValue, "from 1 to 604800"},
		{"no application", func(a *ask) { a.Application = "paint" }, fault.NotFound, "paint"},
		{"desktop of an application fleet", func(a *ask) { a.Application = "Desktop" }, fault.BadCombination, "DESKTOP"},
	} {
		_, err := h.address("u", c.change)
		h.wants(c.name, err, c.kind, c.words)
	}
	_, expires, err := h.SessionAddress(t.Context(), me, service.SessionAsk{Stack: "s", Fleet: "f", User: "u"})
	if now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); err != nil || expires.Sub(now) != time.Minute {
		t.Errorf("standard validity: %v, %v", expires, err)
	}
	h.must(h.StopFleet(t.Context(), me, "f"))
	_, err = h.address("u", nil)
	h.wants("fleet that does not run", err, fault.NotAvailable, "STOPPING")
}

// TestTwoUsersGetTwoInstances, at once, and nobody a third; whoever comes back
// has what they had.
func TestTwoUsersGetTwoInstances(t *testing.T) {
	h, _, _ := served(t, 2, nil)
	a, b := h.opened("a"), h.opened("b")
	if a.Machine == "" || b.Machine == "" || a.Machine == b.Machine || a.Session.State != domain.SessionActive {
		t.Fatalf("a has %q, b has %q", a.Machine, b.Machine)
	}
	if again := h.opened("a"); again.Machine != a.Machine || again.Session.Key != a.Session.Key {
		t.Errorf("a has %q the second time", again.Machine)
	}
	token, err := h.address("c", nil)
	h.must(err)
	_, _, err = h.OpenAddress(t.Context(), token)
	h.wants("a third user", err, fault.Unavailable, "No streaming resource")
	f, _, err := h.Fleet(t.Context(), me, "f")
	if c := f.Capacity; err != nil || c.Running != 2 || c.InUse != 2 || c.Available != 0 || c.Desired != 2 {
		t.Errorf("capacity %+v, %v", f.Capacity, err)
	}
	h.wants("a stack with a session", h.DisassociateFleet(t.Context(), me, "f", "s"), fault.InUse, "has a session")
	h.must(h.ExpireSession(t.Context(), me, a.Session.Key.Name))
	// At no moment is an instance in use by nobody.
	if f, _, err := h.Fleet(t.Context(), me, "f"); err != nil || f.Capacity.InUse != 1 || f.Capacity.Running != 1 {
		t.Errorf("capacity after a session has ended: %+v, %v", f.Capacity, err)
	}
	h.must(h.ExpireSession(t.Context(), me, a.Session.Key.Name))
	h.must(h.ExpireSession(t.Context(), me, "unknown")) // the operation has no errors
	_, _, err = h.OpenAddress(t.Context(), token)
	h.wants("the instance of an ended session", err, fault.Unavailable, "No streaming resource")
}

// TestConnectionsOfASession: the last one has it, and the times are counted from
// what users do.
func TestConnectionsOfASession(t *testing.T) {
	h, clock, _ := served(t, 1, func(in *service.FleetSpec) { in.IdleTimeout, in.Times.MaxDuration = 600, new(int64(3600)) })
	key := h.opened("u").Session.Key
	now := func() service.SessionNow {
		n, err := h.SessionNow(t.Context(), key)
		h.must(err)
		return n
	}
	h.must(h.SessionConnected(t.Context(), key, "one"))
	h.must(h.SessionConnected(t.Context(), key, "two"))
	h.must(h.SessionDisconnected(t.Context(), key, "one"))
	if n := now(); n.Link != "two" || n.EndsSoon || n.IdleSoon {
		t.Errorf("%+v", n)
	}
	clock.now = clock.now.Add(9*time.Minute + 30*time.Second)
	if n := now(); !n.IdleSoon || n.IdleOver {
		t.Errorf("before the idle limit: %+v", n)
	}
	h.must(h.SessionActive(t.Context(), key, "one")) // it is not its session any more
	clock.now = clock.now.Add(30 * time.Second)
	if n := now(); !n.IdleOver {
		t.Errorf("at the idle limit: %+v", n)
	}
	h.must(h.SessionActive(t.Context(), key, "two"))
	if n := now(); n.IdleSoon || n.IdleOver {
		t.Errorf("after input: %+v", n)
	}
	clock.now = clock.now.Add(45 * time.Minute)
	if n := now(); !n.EndsSoon {
		t.Errorf("five minutes before the end: %+v", n)
	}
	h.must(h.SessionDisconnected(t.Context(), key, "two"))
	if at, why := now().Deadline(h.Store.Epoch()); why != domain.EndedDuration || at.Sub(clock.now) != 5*time.Minute {
		t.Errorf("it ends at %v: %s", at, why)
	}
	h.must(h.EndSession(t.Context(), key))
	if n := now(); n.State != domain.SessionExpired || n.Why != domain.EndedByUser {
		t.Errorf("ended: %+v", n)
	}
	h.wants("connection to what has ended", h.SessionConnected(t.Context(), key, "three"), fault.WrongState, "EXPIRED")
	h.must(h.Store.View(t.Context(), func(tx store.Tx) error {
		told := 0
		log, err := tx.Events(&key, 0, 0)
		for _, e := range log {
			if e.From == e.To {
				told++
			}
		}
		if told != 3 { // two came, one went: the rest is nobody's business
			t.Errorf("the log has %+v", log)
		}
		return err
	}))
}

func TestSessionsAreListed(t *testing.T) {
	h, _, _ := served(t, 3, func(in *service.FleetSpec) { in.Capacity.Instances = new(int64(3)) })
	for _, u := range []string{"a", "b", "c"} {
		h.opened(u)
	}
	list := func(q service.SessionQuery) ([]service.SessionSeen, string, error) {
		q.Stack, q.Fleet = "s", "f"
		return h.Sessions(t.Context(), me, q)
	}
	all, next, err := list(service.SessionQuery{Limit: 2})
	if err != nil || len(all) != 2 || next == "" {
		t.Fatalf("%d, %q, %v", len(all), next, err)
	}
	rest, next, err := list(service.SessionQuery{Limit: 2, After: next})
	if err != nil || len(rest) != 1 || next != "" || rest[0].Drain != "NOT_APPLICABLE" || rest[0].Connected {
		t.Errorf("%+v, %q, %v", rest, next, err)
	}
	if one, _, err := list(service.SessionQuery{User: "b", Auth: "API"}); err != nil || len(one) != 1 || one[0].User != "b" || one[0].Auth != "API" || one[0].Ends.Sub(one[0].Started) != 16*time.Hour {
		t.Errorf("%+v, %v", one, err)
	}
	if one, _, err := list(service.SessionQuery{Instance: all[0].Instance}); err != nil || len(one) != 1 || one[0].Key != all[0].Key {
		t.Errorf("%+v, %v", one, err)
	}
	_, _, err = list(service.SessionQuery{User: "b"})
	h.wants("user without authentication", err, fault.BadCombination, "AuthenticationType")
	if none, _, err := list(service.SessionQuery{Auth: "SAML"}); err != nil || len(none) != 0 {
		t.Errorf("of another authentication: %d, %v", len(none), err)
	}
	h.wants("drain of a single session", h.DrainSessionInstance(t.Context(), me, all[0].Key.Name), fault.Unsupported, "one session per instance")
	h.wants("drain of nothing", h.DrainSessionInstance(t.Context(), me, "none"), fault.NotFound, "does not exist")
}

// TestSeveralUsersOnOneInstance: the fullest instance is filled first, and a
// drained one gets nobody.
func TestSeveralUsersOnOneInstance(t *testing.T) {
	h, _, _ := served(t, 2, func(in *service.FleetSpec) {
		in.PerInstance, in.Capacity = 2, service.FleetSize{Sessions: new(int64(4))}
	})
	a, b, c := h.opened("a"), h.opened("b"), h.opened("c")
	if a.Machine != b.Machine || c.Machine == a.Machine {
		t.Errorf("%s %s %s", a.Machine, b.Machine, c.Machine)
	}
	h.must(h.DrainSessionInstance(t.Context(), me, c.Session.Key.Name))
	f, _, err := h.Fleet(t.Context(), me, "f")
	if n := f.Capacity; err != nil || n.ActualSessions != 2 || n.ActiveSessions != 2 || n.AvailableSessions() != 0 || n.Draining != 1 || n.DrainingActive != 1 || n.DrainingUnused != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	token, err := h.address("d", nil)
	h.must(err)
	_, _, err = h.OpenAddress(t.Context(), token)
	h.wants("a user for a draining instance", err, fault.Unavailable, "No streaming resource")
}

// TestOnDemandSessionWaitsForItsGuest.
func TestOnDemandSessionWaitsForItsGuest(t *testing.T) {
	h, _, _ := served(t, 0, func(in *service.FleetSpec) { in.Type = domain.FleetOnDemand })
	i := h.instance(1, domain.InstanceMade)[0]
	f, _, err := h.Fleet(t.Context(), me, "f")
	if err != nil || f.Capacity.Available != 1 || f.Capacity.Running != 0 {
		t.Errorf("%+v, %v", f.Capacity, err)
	}
	scr := h.opened("u")
	if scr.Machine != "" || scr.Session.State != domain.SessionPending {
		t.Errorf("%+v", scr)
	}
	h.wants("connection too early", h.SessionConnected(t.Context(), scr.Session.Key, "l"), fault.WrongState, "PENDING")
	h.event(i, domain.InstanceUp)
	h.event(scr.Session.Key, domain.SessionUp)
	if again := h.opened("u"); again.Machine != i.Name {
		t.Errorf("%+v", again)
	}
}
