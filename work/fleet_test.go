package work_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"slipway/compute"
	"slipway/compute/fake"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
	"slipway/work"
)

// fleetRig is a rig with a keeper of fleets, which dies and comes back.
type fleetRig struct {
	*rig
	keeper *work.FleetKeeper
}

func newFleetRig(t *testing.T) *fleetRig {
	r := &fleetRig{rig: newRig(t)}
	r.world.Boot = work.BootLimits{} // as the driver is
	r.begin()
	t.Cleanup(func() { r.keeper.Stop() })
	return r
}

func (r *fleetRig) begin() {
	r.keeper = &work.FleetKeeper{World: r.world, Log: slog.New(slog.DiscardHandler), Every: 10 * time.Millisecond,
		Backoff: func(n int) time.Duration { return time.Duration(n) * 10 * time.Millisecond }}
	r.keeper.Start(context.Background())
}

// reborn is what happens when the server is killed and started again.
func (r *fleetRig) reborn(t testing.TB) {
	r.keeper.Stop()
	r.restart(t)
	r.world.Boot = work.BootLimits{}
	r.begin()
}

var fleetKey = domain.Key{Scope: scope, Kind: domain.KindFleet, Name: "f"}

// fleet makes a fleet that was asked to start.
func (r *fleetRig) fleet(change func(*domain.Fleet)) {
	r.t.Helper()
	f := &domain.Fleet{Type: domain.FleetAlwaysOn, InstanceType: "stream.standard.small", Desired: 2, Generation: 1, MaxDuration: 3600, DisconnectTimeout: 900, StreamView: "APP"}
	f.Key = fleetKey
	if change != nil {
		change(f)
	}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(f); err != nil {
			return err
		}
		_, err := tx.Move(f.Key, domain.FleetAskStart, "", nil)
		return err
	})
}

// edit changes the fleet as a request does.
func (r *fleetRig) edit(change func(*domain.Fleet)) {
	r.t.Helper()
	r.update(func(tx store.Tx) error {
		f := new(domain.Fleet)
		if err := tx.Get(fleetKey, f); err != nil {
			return err
		}
		change(f)
		if err := tx.Put(f); err != nil {
			return err
		}
		return tx.Append(domain.LogEntry{Key: f.Key, Event: "updated", From: f.State, To: f.State})
	})
}

func (r *fleetRig) stop() {
	r.update(func(tx store.Tx) error { _, err := tx.Move(fleetKey, domain.FleetAskStop, "", nil); return err })
}

func (r *fleetRig) instances() (out []*domain.FleetInstance) {
	r.t.Helper()
	err := r.store.View(context.Background(), func(tx store.Tx) (err error) {
		out, err = store.List[domain.FleetInstance](tx, store.Query{Kind: domain.KindFleetInstance})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *fleetRig) in(state domain.State) (out []*domain.FleetInstance) {
	for _, i := range r.instances() {
		if i.State == state {
			out = append(out, i)
		}
	}
	return out
}

// until waits for the world to be as wanted; the store says when to look again.
func (r *fleetRig) until(what string, ok func() bool) {
	r.t.Helper()
	end := time.After(time.Minute)
	for {
		changed := r.store.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // some of it is not in the store
		case <-end:
			all := ""
			for _, i := range r.instances() {
				all += fmt.Sprintf("%s %s generation %d (%s)\n", i.Key.Name, i.State, i.Generation, i.Why)
			}
			f := get[domain.Fleet](r.t, r.store, fleetKey)
			r.t.Fatalf("%s: never\nfleet %s %+v %+v\n%s", what, f.State, f.Errors, f.Trouble, all)
		}
	}
}

func (r *fleetRig) is(state domain.State) {
	r.t.Helper()
	r.until("the fleet is "+string(state), func() bool { return get[domain.Fleet](r.t, r.store, fleetKey).State == state })
}

// as wants exactly so many instances in a state, and no others.
func (r *fleetRig) as(state domain.State, n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d instances are %s", n, state), func() bool { return len(r.in(state)) == n && len(r.instances()) == n })
}

// session gives a user an instance, as the service does.
func (r *fleetRig) session(user string, i *domain.FleetInstance, change func(*domain.Session)) domain.Key {
	r.t.Helper()
	now := r.world.Clock.Now()
	x := &domain.Session{Stack: "s", Fleet: "f", User: user, Auth: domain.AuthAPI, Instance: i.Key.Name, Started: now, Ends: now.Add(time.Hour), Disconnect: time.Hour, Left: now, Active: now}
	x.Key = domain.Key{Scope: scope, Kind: domain.KindSession, Name: "session-of-" + user}
	if change != nil {
		change(x)
	}
	r.update(func(tx store.Tx) error {
		if err := tx.Insert(x); err != nil {
			return err
		}
		if _, err := tx.Move(i.Key, domain.InstanceTaken, "", nil); err != nil {
			return err
		}
		if !domain.MachineUp(i.State) {
			return nil
		}
		_, err := tx.Move(x.Key, domain.SessionUp, "", nil)
		return err
	})
	return x.Key
}

func (r *fleetRig) ended(key domain.Key, why string) {
	r.t.Helper()
	r.until("the session has ended", func() bool { return get[domain.Session](r.t, r.store, key).State == domain.SessionExpired })
	if x := get[domain.Session](r.t, r.store, key); x.Why != why || x.Ended.IsZero() {
		r.t.Errorf("it ended at %v because of %q, not %q", x.Ended, x.Why, why)
	}
}

// clean wants no machine, no layer and nothing in the log about instances
// that are gone.
func (r *fleetRig) clean() {
	r.t.Helper()
	list, err := r.world.Driver.List(context.Background())
	if err != nil || len(list) > 0 {
		r.t.Errorf("machines are left: %v %v", list, err)
	}
	left, err := r.world.Disks.Overlays()
	for _, id := range left {
		if id[:2] == "i-" {
			r.t.Errorf("the layer %s is left: %v", id, err)
		}
	}
	must(r.t, r.store.View(context.Background(), func(tx store.Tx) error {
		log, err := tx.Events(nil, 0, 0)
		for _, e := range log {
			if e.Key.Kind == domain.KindFleetInstance && fault.Is(tx.Get(e.Key, new(domain.FleetInstance)), fault.NotFound) {
				r.t.Errorf("the log remembers %+v", e)
			}
		}
		return err
	}))
}

func TestFleetGoesUpAndDown(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(nil)
	r.is(domain.FleetRunning)
	r.as(domain.InstanceReady, 2)
	for _, i := range r.instances() {
		if st, err := r.world.Driver.Status(t.Context(), i.Key.Name); err != nil || st.State != compute.Running || st.Labels["fleet"] != "f" {
			t.Errorf("machine of %s: %+v, %v", i.Key.Name, st, err)
		}
	}
	r.edit(func(f *domain.Fleet) { f.Desired = 4 })
	r.as(domain.InstanceReady, 4)
	r.edit(func(f *domain.Fleet) { f.Desired = 1 })
	r.as(domain.InstanceReady, 1)
	r.stop()
	r.is(domain.FleetStopped)
	if n := len(r.instances()); n > 0 {
		t.Errorf("%d instances are left", n)
	}
	r.clean()
}

// panicky is a driver with a defect that is met when it is first used.
type panicky struct {
	compute.Driver
	mu   sync.Mutex
	seen map[string]int
}

func (d *panicky) meets(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[what]++; d.seen[what] == 1 {
		panic("a defect of ours")
	}
}

func (d *panicky) Start(ctx context.Context, s compute.Spec) (compute.Handle, error) {
	d.meets("start")
	return d.Driver.Start(ctx, s)
}

func (d *panicky) Destroy(ctx context.Context, id string) error {
	d.meets("destroy")
	return d.Driver.Destroy(ctx, id)
}

// TestFleetSurvivesDefects: a panic over one machine is the end of its instance, and
// of nothing else.
func TestFleetSurvivesDefects(t *testing.T) {
	r := &fleetRig{rig: newRig(t)}
	d := &panicky{Driver: r.world.Driver, seen: map[string]int{}}
	r.world.Driver, r.world.Boot = d, work.BootLimits{}
	r.begin()
	t.Cleanup(func() { r.keeper.Stop() })
	r.fleet(func(f *domain.Fleet) { f.Desired = 1 })
	r.as(domain.InstanceReady, 1)
	r.is(domain.FleetRunning)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen["start"] != 2 || d.seen["destroy"] != 2 {
		t.Errorf("met %v", d.seen)
	}
}

func TestFleetOfNothingRuns(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired = 0 })
	r.is(domain.FleetRunning)
	r.stop()
	r.is(domain.FleetStopped)
}

// TestOnDemandInstancesWaitForTheirUser: prepared, they have no machine; a user
// makes one start, and the session becomes ACTIVE with it.
func TestOnDemandInstancesWaitForTheirUser(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Type = domain.FleetOnDemand })
	r.is(domain.FleetRunning)
	r.as(domain.InstanceStandby, 2)
	r.clean()
	i := r.in(domain.InstanceStandby)[0]
	key := r.session("u", i, nil)
	r.until("the session is active", func() bool { return get[domain.Session](t, r.store, key).State == domain.SessionActive })
	if now := get[domain.FleetInstance](t, r.store, i.Key); now.State != domain.InstanceInUse {
		t.Errorf("its instance is %s", now.State)
	}
	list, err := r.world.Driver.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != i.Key.Name {
		t.Errorf("machines: %+v, %v", list, err)
	}
}

// TestInstanceIsReplacedAfterItsSession: nobody ever gets a machine that somebody
// had.
func TestInstanceIsReplacedAfterItsSession(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(nil)
	r.is(domain.FleetRunning)
	i := r.in(domain.InstanceReady)[0]
	key := r.session("u", i, nil)
	r.update(func(tx store.Tx) error {
		x := new(domain.Session)
		if err := tx.Get(key, x); err != nil {
			return err
		}
		x.End(tx.Now(), domain.EndedByAPI)
		_, err := tx.Move(key, domain.SessionExpire, "", x)
		return err
	})
	r.as(domain.InstanceReady, 2)
	for _, now := range r.instances() {
		if now.Key == i.Key {
			t.Error("the instance is there again")
		}
	}
	if st, err := r.world.Driver.Status(t.Context(), i.Key.Name); err != nil || st.State != compute.Gone {
		t.Errorf("its machine: %v, %v", st.State, err)
	}
}

func TestSessionsEndByThemselves(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*domain.Session)
		why    string
	}{
		"maximum duration": {func(x *domain.Session) { x.Ends = x.Started.Add(50 * time.Millisecond); x.Link, x.Epoch = "l", 1 }, domain.EndedDuration},
		"disconnect":       {func(x *domain.Session) { x.Disconnect = 50 * time.Millisecond }, domain.EndedDisconnected},
		"already over":     {func(x *domain.Session) { x.Left = x.Left.Add(-2 * time.Hour) }, domain.EndedDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			r := newFleetRig(t)
			r.fleet(func(f *domain.Fleet) { f.Desired = 1 })
			r.is(domain.FleetRunning)
			r.ended(r.session("u", r.instances()[0], c.change), c.why)
			r.as(domain.InstanceReady, 1)
		})
	}
}

// TestUsersAreNotLateWhileTheirGuestStarts: one that takes longer than a session
// waits for its user does not end the session when it is up.
func TestUsersAreNotLateWhileTheirGuestStarts(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Type, f.Desired = domain.FleetOnDemand, 1 })
	r.is(domain.FleetRunning)
	key := r.session("u", r.instances()[0], func(x *domain.Session) { x.Left = x.Left.Add(-2 * time.Hour) })
	var x *domain.Session
	r.until("the guest is up", func() bool { x = get[domain.Session](t, r.store, key); return x.State != domain.SessionPending })
	if x.State != domain.SessionActive || time.Since(x.Left) > time.Hour {
		t.Errorf("%s, %s, left at %v", x.State, x.Why, x.Left)
	}
}

func TestStoppingAFleetEndsItsSessions(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(nil)
	r.is(domain.FleetRunning)
	key := r.session("u", r.instances()[0], nil)
	r.stop()
	r.is(domain.FleetStopped)
	r.ended(key, domain.EndedFleetStopped)
	r.clean()
}

// TestMachineThatEndsByItselfIsReplaced, with and without a user.
func TestMachineThatEndsByItselfIsReplaced(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(nil)
	r.is(domain.FleetRunning)
	all := r.instances()
	key := r.session("u", all[0], nil)
	for _, i := range all {
		if err := r.world.Driver.Destroy(t.Context(), i.Key.Name); err != nil {
			t.Fatal(err)
		}
	}
	r.ended(key, domain.EndedMachine)
	r.until("others are there", func() bool {
		now := r.instances()
		return len(now) == 2 && len(r.in(domain.InstanceReady)) == 2 && now[0].Key != all[0].Key && now[0].Key != all[1].Key && now[1].Key != all[0].Key && now[1].Key != all[1].Key
	})
}

// TestImageThatNeverBootsLeavesTheHostInPeace: after some failures one instance
// at a time is tried, later and later; the fleet says why; when it boots again
// all is well.
func TestImageThatNeverBootsLeavesTheHostInPeace(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired, f.Tags = 8, domain.Tags{"slipway:fault": "panic"} })
	r.until("the breaker is open", func() bool { return get[domain.Fleet](t, r.store, fleetKey).Trouble.Failures >= 6 })
	f := get[domain.Fleet](t, r.store, fleetKey)
	if f.State != domain.FleetStarting || len(f.Errors) != 1 || f.Errors[0].Code != "FLEET_INSTANCE_PROVISIONING_FAILURE" {
		t.Errorf("%s, %+v", f.State, f.Errors)
	}
	// Those that were on their way when the breaker opened are let go of.
	r.until("one is tried", func() bool { return len(r.in(domain.InstanceProvisioning)) <= 1 })
	r.until("two more have failed, one at a time", func() bool {
		if n := len(r.in(domain.InstanceProvisioning)); n > 1 {
			t.Fatalf("%d are tried at once", n)
		}
		return get[domain.Fleet](t, r.store, fleetKey).Trouble.Failures >= f.Trouble.Failures+2
	})
	r.edit(func(f *domain.Fleet) { f.Tags = nil })
	r.is(domain.FleetRunning)
	r.as(domain.InstanceReady, 8)
	r.until("nothing is told any more", func() bool { return len(get[domain.Fleet](t, r.store, fleetKey).Errors) == 0 })
	// What was seen of those that did not come up stays as long as the fleet.
	picture := filepath.Join(r.dir, "fleets", scope.Account+"."+scope.Region+"."+fleetKey.Name, "screen.png")
	collector := &work.Collector{World: r.world, Log: slog.New(slog.DiscardHandler)}
	must(t, collector.Collect(t.Context()))
	if st, err := os.Stat(picture); err != nil || st.Size() == 0 {
		t.Errorf("%v, the last picture", err)
	}
	r.update(func(tx store.Tx) error { _, err := tx.Move(fleetKey, domain.FleetAskStop, "", nil); return err })
	r.is(domain.FleetStopped)
	r.update(func(tx store.Tx) error { return tx.Delete(fleetKey) })
	must(t, collector.Collect(t.Context()))
	if _, err := os.Stat(filepath.Dir(picture)); !os.IsNotExist(err) {
		t.Errorf("%v of a fleet that is gone", err)
	}
}

// TestFleetChangesUnderSessions: who has an instance keeps it; the others are
// replaced one by one, each when the one before has been.
func TestFleetChangesUnderSessions(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired = 4 })
	r.is(domain.FleetRunning)
	mine := r.in(domain.InstanceReady)[0]
	key := r.session("u", mine, nil)
	r.edit(func(f *domain.Fleet) { f.Generation = 2 })
	least := 4
	r.until("the others are new", func() bool {
		fresh, usable := 0, 0
		for _, i := range r.instances() {
			if domain.MachineUp(i.State) {
				usable++
			}
			if i.Generation == 2 && i.State == domain.InstanceReady {
				fresh++
			}
		}
		least = min(least, usable)
		return fresh == 3
	})
	if least < 3 {
		t.Errorf("only %d instances were usable at one time", least)
	}
	if i := get[domain.FleetInstance](t, r.store, mine.Key); i.State != domain.InstanceInUse || i.Generation != 1 {
		t.Errorf("the instance with a user is %s", i.State)
	}
	r.update(func(tx store.Tx) error { _, err := tx.Move(key, domain.SessionExpire, "", nil); return err })
	r.until("all are new", func() bool { return len(r.in(domain.InstanceReady)) == 4 && len(r.instances()) == 4 })
	r.until("the old disks are let go", func() bool { return get[domain.Fleet](t, r.store, fleetKey).Settled == 2 })
}

// TestServerIsKilledUnderSessions: they go on, their users have time to come
// back, and no instance is lost or made twice.
func TestServerIsKilledUnderSessions(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired = 3 })
	r.is(domain.FleetRunning)
	i := r.in(domain.InstanceReady)[0]
	key := r.session("u", i, func(x *domain.Session) { x.Link, x.Epoch, x.Left = "l", r.store.Epoch(), x.Left.Add(-2*time.Hour) })
	before := r.instances()
	r.reborn(t)
	r.until("the connection is known to be gone", func() bool { return get[domain.Session](t, r.store, key).Link == "" })
	if x := get[domain.Session](t, r.store, key); x.State != domain.SessionActive || time.Since(x.Left) > time.Minute {
		t.Errorf("the session is %s, left at %v", x.State, x.Left)
	}
	after := r.instances()
	for n := range before {
		if len(after) != len(before) || before[n].Key != after[n].Key || after[n].State == domain.InstanceTerminating {
			t.Fatalf("before %v, after %v", before, after)
		}
	}
}

// TestKeeperIsKilledAnywhere stops the keeper at every point that it writes
// something, again and again, while a fleet goes up, loses machines and goes down.
func TestKeeperIsKilledAnywhere(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired = 3 })
	kill := func(times int) {
		for range times {
			select {
			case <-r.store.Changed():
			case <-time.After(100 * time.Millisecond): // it was done already
			}
			r.reborn(t)
		}
	}
	kill(3)
	r.is(domain.FleetRunning)
	r.as(domain.InstanceReady, 3)
	if err := r.world.Driver.Destroy(t.Context(), r.instances()[1].Key.Name); err != nil {
		t.Fatal(err)
	}
	kill(3)
	r.as(domain.InstanceReady, 3)
	r.stop()
	r.reborn(t)
	r.is(domain.FleetStopped)
	r.clean()
}

func TestHostWithoutRoomIsTold(t *testing.T) {
	r := newFleetRig(t)
	r.keeper.Stop()
	driver, err := fake.New(fake.Options{Dir: r.dir + "/run", MemoryMB: 5000})
	if err != nil {
		t.Fatal(err)
	}
	r.world.Driver = driver
	r.begin()
	r.fleet(func(f *domain.Fleet) { f.Desired, f.InstanceType = 4, "stream.standard.small" })
	r.is(domain.FleetRunning) // with what it can have
	r.until("two are ready", func() bool { return len(r.in(domain.InstanceReady)) == 2 && len(r.instances()) == 2 })
	f := get[domain.Fleet](t, r.store, fleetKey)
	if len(f.Errors) != 1 || f.Errors[0].Code != "FLEET_INSTANCE_PROVISIONING_FAILURE" {
		t.Errorf("errors: %+v", f.Errors)
	}
	r.edit(func(f *domain.Fleet) { f.Desired = 2 })
	r.until("nothing is told any more", func() bool { return len(get[domain.Fleet](t, r.store, fleetKey).Errors) == 0 })
}

func TestSubnetThatIsNotThereIsTold(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Subnets = []string{"subnet-none"} })
	r.until("it is told", func() bool {
		f := get[domain.Fleet](t, r.store, fleetKey)
		return len(f.Errors) == 1 && f.Errors[0].Code == "SUBNET_NOT_FOUND" && f.State == domain.FleetStarting
	})
}

// TestInstancesAreSpreadOverSubnets and so over zones.
func TestInstancesAreSpreadOverSubnets(t *testing.T) {
	r := newFleetRig(t)
	r.update(func(tx store.Tx) error {
		for _, z := range []string{"a", "b"} {
			n := &domain.Subnet{VPC: "vpc-1", CIDR: "10.0.0.0/24", Zone: "us-east-1" + z}
			n.Key = domain.Key{Scope: scope, Kind: domain.KindSubnet, Name: "subnet-" + z}
			if err := tx.Insert(n); err != nil {
				return err
			}
		}
		return nil
	})
	r.fleet(func(f *domain.Fleet) { f.Desired, f.Subnets = 4, []string{"subnet-a", "subnet-b"} })
	r.as(domain.InstanceReady, 4)
	in := map[string]int{}
	for _, i := range r.instances() {
		in[i.Zone]++
	}
	if in["us-east-1a"] != 2 || in["us-east-1b"] != 2 {
		t.Errorf("zones: %v", in)
	}
}

// TestSeveralSessionsOnAnInstance: it becomes free again, and a drained one is
// replaced when it is empty.
func TestSeveralSessionsOnAnInstance(t *testing.T) {
	r := newFleetRig(t)
	r.fleet(func(f *domain.Fleet) { f.Desired, f.DesiredSessions, f.PerInstance = 0, 4, 2 })
	r.is(domain.FleetRunning)
	r.as(domain.InstanceReady, 2)
	i := r.instances()[0]
	end := func(key domain.Key) {
		r.update(func(tx store.Tx) error { _, err := tx.Move(key, domain.SessionExpire, "", nil); return err })
	}
	end(r.session("u", i, nil))
	r.until("it is free again", func() bool { return get[domain.FleetInstance](t, r.store, i.Key).State == domain.InstanceReady })
	key := r.session("v", i, nil)
	r.update(func(tx store.Tx) error { _, err := tx.Move(i.Key, domain.InstanceDrain, "", nil); return err })
	end(key)
	r.until("it was replaced", func() bool {
		err := r.store.View(t.Context(), func(tx store.Tx) error { return tx.Get(i.Key, new(domain.FleetInstance)) })
		return fault.Is(err, fault.NotFound) && len(r.in(domain.InstanceReady)) == 2
	})
}

// TestInstancesOnARealDisk: each has a layer of its own, which goes with it, and
// the collector takes neither layer nor machine of those that are there.
func TestInstancesOnARealDisk(t *testing.T) {
	r := newFleetRig(t)
	r.sealed()
	r.fleet(func(f *domain.Fleet) { f.Disk, f.DiskBytes = r.digest.String(), 1<<30 })
	r.update(func(tx store.Tx) error { return tx.Refer(fleetKey, domain.DiskKey(r.digest.String())) })
	r.as(domain.InstanceReady, 2)
	c := &work.Collector{World: r.world, Log: slog.New(slog.DiscardHandler)}
	if err := c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, i := range r.instances() {
		if _, _, n, err := r.world.Disks.Overlay(i.Key.Name); err != nil || n != 200<<30 {
			t.Errorf("layer of %d bytes: %v", n, err)
		}
		if st, err := r.world.Driver.Status(t.Context(), i.Key.Name); err != nil || st.State != compute.Running {
			t.Errorf("%v %v", st.State, err)
		}
	}
	r.stop()
	r.is(domain.FleetStopped)
	r.clean()
}
