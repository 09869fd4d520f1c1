package work

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
)

// A plan is what should be done about one fleet now. It is made from what there
// is and from nothing else: the same fleet gives the same plan, however the
// keeper got to look at it. All of it is done in the transaction that it was
// made in.

// fleetNow is all there is of a fleet.
type fleetNow struct {
	fleet     *domain.Fleet
	instances []*domain.FleetInstance
	sessions  []*domain.Session // ended ones too
	now       time.Time
	epoch     int64
}

type plan struct {
	expire  []lapse // sessions that end
	forget  []*domain.Session
	unlink  []*domain.Session // their connection ended with an earlier life of the server
	arrived []*domain.Session // their guest is up
	moves   []movement
	create  int
	fleet   domain.Event // for the fleet itself; "" for none
	wake    time.Time    // look again then, though nothing happened; zero: never
}

type lapse struct {
	session *domain.Session
	why     string
}

// movement sends an event to an instance.
type movement struct {
	instance *domain.FleetInstance
	on       domain.Event
	why      string
}

func (p *plan) empty() bool {
	return len(p.expire)+len(p.forget)+len(p.unlink)+len(p.arrived)+len(p.moves)+p.create == 0 && p.fleet == ""
}

func (p *plan) at(t time.Time) {
	if p.wake.IsZero() || t.Before(p.wake) {
		p.wake = t
	}
}

func (n *fleetNow) plan() *plan {
	p := &plan{}
	live := n.planSessions(p)
	left := n.planInstances(p, live)
	n.planSize(p, left)
	n.planFleet(p, left)
	return p
}

// planSessions ends the sessions whose time is up or whose instance is gone, and
// counts those that stay, by instance.
func (n *fleetNow) planSessions(p *plan) map[string]int {
	by := map[string]*domain.FleetInstance{}
	for _, i := range n.instances {
		by[i.Key.Name] = i
	}
	live := map[string]int{}
	for _, x := range n.sessions {
		if x.State == domain.SessionExpired {
			if gone := x.Ended.Add(domain.SessionKept); !n.now.Before(gone) {
				p.forget = append(p.forget, x)
			} else {
				p.at(gone)
			}
			continue
		}
		i := by[x.Instance]
		ends, why := x.Deadline(n.epoch)
		switch {
		case !n.fleet.Up():
			p.expire = append(p.expire, lapse{x, domain.EndedFleetStopped})
			continue
		case i == nil || i.State == domain.InstanceTerminating:
			p.expire = append(p.expire, lapse{x, domain.EndedMachine})
			continue
		case x.Link != "" && x.Epoch != n.epoch:
			p.unlink = append(p.unlink, x)
			ends = x.Ends
		case !n.now.Before(ends):
			p.expire = append(p.expire, lapse{x, why})
			continue
		case x.State == domain.SessionPending && domain.MachineUp(i.State):
			p.arrived = append(p.arrived, x)
		}
		p.at(ends)
		live[x.Instance]++
	}
	return live
}

// planInstances lets go of instances that nobody has any more, and returns those
// that stay.
func (n *fleetNow) planInstances(p *plan, live map[string]int) (left []*domain.FleetInstance) {
	for _, i := range n.instances {
		if i.State == domain.InstanceTerminating {
			continue
		}
		if on, why := n.fate(i, live[i.Key.Name]); on == domain.InstanceDiscard {
			p.moves = append(p.moves, movement{i, on, why})
			continue
		} else if on != "" {
			p.moves = append(p.moves, movement{i, on, why})
		}
		left = append(left, i)
	}
	return left
}

// fate is what happens to an instance with so many sessions.
func (n *fleetNow) fate(i *domain.FleetInstance, sessions int) (domain.Event, string) {
	old := i.Generation != n.fleet.Generation
	switch {
	case sessions > 0:
		if old && i.Slots > 1 && i.State == domain.InstanceInUse {
			return domain.InstanceDrain, "the fleet was changed"
		}
		return "", ""
	case !n.fleet.Up():
		return domain.InstanceDiscard, "the fleet was stopped"
	case i.State == domain.InstanceInUse && i.Slots > 1 && !old:
		return domain.InstanceVacated, ""
	case i.State == domain.InstanceInUse || i.State == domain.InstanceDraining || i.State == domain.InstanceStarting:
		return domain.InstanceDiscard, domain.WhyVacated // it is never given to anybody else
	case old && i.State == domain.InstanceProvisioning:
		return domain.InstanceDiscard, "the fleet was changed"
	case i.State == domain.InstanceProvisioning && n.fleet.Trouble.Failures >= suspect && i != n.trial():
		return domain.InstanceDiscard, "others did not come up"
	}
	return "", ""
}

// suspect is how many failures in a row it takes until one instance at a time is
// tried, and others that are on their way are given up.
const suspect = 3

// trial is the one instance that is tried.
func (n *fleetNow) trial() (first *domain.FleetInstance) {
	for _, i := range n.instances {
		if i.State == domain.InstanceProvisioning && i.Generation == n.fleet.Generation && (first == nil || i.Created.Before(first.Created)) {
			first = i
		}
	}
	return first
}

// spare is the order in which instances without a user are let go: first those
// that are of no use yet.
var spare = []domain.State{domain.InstanceProvisioning, domain.InstanceStandby, domain.InstanceReady}

// planSize makes the fleet as large as it should be, and replaces instances of
// an older generation: one by one, each when the one before has been.
func (n *fleetNow) planSize(p *plan, left []*domain.FleetInstance) {
	f := n.fleet
	if !f.Up() {
		return
	}
	idle := slices.DeleteFunc(slices.Clone(left), func(i *domain.FleetInstance) bool {
		return !slices.Contains(spare, i.State) || slices.ContainsFunc(p.moves, func(m movement) bool { return m.instance == i })
	})
	slices.SortStableFunc(idle, func(a, b *domain.FleetInstance) int {
		if d := slices.Index(spare, a.State) - slices.Index(spare, b.State); d != 0 {
			return d
		}
		return int(min(max(a.Generation-b.Generation, -1), 1))
	})
	switch missing := f.Wanted() - len(left); {
	case missing < 0:
		for _, i := range idle[:min(-missing, len(idle))] {
			p.moves = append(p.moves, movement{i, domain.InstanceDiscard, "the fleet was made smaller"})
		}
	case missing > 0:
		p.create = n.mayCreate(p, left, missing)
	default:
		n.planReplacement(p, left, idle)
	}
}

func coming(left []*domain.FleetInstance) bool {
	return slices.ContainsFunc(left, func(i *domain.FleetInstance) bool { return i.State == domain.InstanceProvisioning })
}

// mayCreate is how many of the missing instances are tried now: all, but after a
// failure one at a time, and none before its time has come.
func (n *fleetNow) mayCreate(p *plan, left []*domain.FleetInstance, missing int) int {
	t := n.fleet.Trouble
	switch {
	case n.now.Before(t.RetryAt):
		p.at(t.RetryAt)
		return 0
	case t.Failures == 0:
		return missing
	case coming(left):
		return 0
	}
	return 1
}

func (n *fleetNow) planReplacement(p *plan, left, idle []*domain.FleetInstance) {
	if coming(left) || n.fleet.Trouble.Failures > 0 || len(p.moves) > 0 {
		return
	}
	for _, i := range idle {
		if i.Generation != n.fleet.Generation {
			p.moves = append(p.moves, movement{i, domain.InstanceDiscard, "the fleet was changed"})
			return
		}
	}
}

// planFleet tells when a fleet has arrived. One that cannot have all it should
// runs with what it has, and says why in its errors.
func (n *fleetNow) planFleet(p *plan, left []*domain.FleetInstance) {
	switch n.fleet.State {
	case domain.FleetStopping:
		if len(n.instances) == 0 {
			p.fleet = domain.FleetEmpty
		}
	case domain.FleetStarting:
		usable := 0
		for _, i := range left {
			if i.State != domain.InstanceProvisioning {
				usable++
			}
		}
		if usable >= n.fleet.Wanted() || usable > 0 && len(n.fleet.Errors) > 0 {
			p.fleet = domain.FleetReady
		}
	}
}

// Codes of FleetErrors.
const (
	errProvisioning = "FLEET_INSTANCE_PROVISIONING_FAILURE"
	errImage        = "IMAGE_NOT_FOUND"
	errSubnet       = "SUBNET_NOT_FOUND"
	errSubnets      = "INVALID_SUBNET_CONFIGURATION"
	errGroups       = "SECURITY_GROUPS_NOT_FOUND"
	errAddresses    = "SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES"
)

// breakAfter is how many failures in a row open the breaker: from then on the
// fleet says that it gave up but for a try now and then.
const breakAfter = 5

// troubled writes down that an instance never came up.
func troubled(f *domain.Fleet, now time.Time, cause error, backoff func(int) time.Duration) {
	f.Trouble.Failures++
	wait := backoff(f.Trouble.Failures)
	f.Trouble.RetryAt = now.Add(wait)
	code := errProvisioning
	if k := fault.KindOf(cause); k == fault.NotFound {
		code = errImage
	}
	what := "An instance of the fleet did not come up"
	if n := f.Trouble.Failures; n >= breakAfter {
		what = fmt.Sprintf("%d instances of the fleet in a row did not come up; one is tried every %s", n, wait.Round(time.Second))
	}
	f.Errors = []domain.ImageError{{Code: code, Message: what + ": " + strings.TrimSpace(fault.Public(cause)), At: now}}
}
