package work

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// read reads all there is of a fleet; fleet is nil when that is gone.
func (k *FleetKeeper) read(tx store.Tx, key domain.Key) (n fleetNow, err error) {
	n = fleetNow{fleet: new(domain.Fleet), now: tx.Now(), epoch: k.World.Store.Epoch()}
	if err := tx.Get(key, n.fleet); fault.Is(err, fault.NotFound) {
		n.fleet = nil
		return n, nil
	} else if err != nil {
		return n, err
	}
	q := store.Query{Kind: domain.KindFleetInstance, Account: key.Account, Region: key.Region, Alias: key.Name}
	if n.instances, err = store.List[domain.FleetInstance](tx, q); err != nil {
		return n, err
	}
	q.Kind = domain.KindSession
	n.sessions, err = store.List[domain.Session](tx, q)
	return n, err
}

// keep brings one fleet nearer to what it should be, and starts what takes time.
func (k *FleetKeeper) keep(ctx context.Context, key domain.Key) error {
	delete(k.wakes, key)
	var n fleetNow
	var p *plan
	err := k.World.Store.View(ctx, func(tx store.Tx) (err error) {
		if n, err = k.read(tx, key); err == nil && n.fleet != nil {
			p = n.plan()
		}
		return err
	})
	if err != nil || n.fleet == nil {
		return err
	}
	if k.stale(n, p) {
		err = k.World.Store.Update(ctx, func(tx store.Tx) error {
			// What is there now decides, not what was read before.
			if n, err = k.read(tx, key); err != nil || n.fleet == nil {
				return err
			}
			p = n.plan()
			return k.apply(tx, &n, p)
		})
		if err != nil || n.fleet == nil {
			return err
		}
	}
	if !p.wake.IsZero() {
		k.wakes[key] = p.wake
	}
	for _, i := range n.instances {
		k.assign(ctx, n.fleet, i)
	}
	return nil
}

// stale tells whether anything of a fleet must be written.
func (k *FleetKeeper) stale(n fleetNow, p *plan) bool {
	return !p.empty() || healed(&n) || oldDisks(&n)
}

// healed tells whether a fleet tells of trouble that is over.
func healed(n *fleetNow) bool {
	f := n.fleet
	if len(f.Errors) == 0 || !f.Up() || f.Trouble.Failures > 0 {
		return false
	}
	usable := 0
	for _, i := range n.instances {
		if i.State != domain.InstanceProvisioning && i.State != domain.InstanceTerminating {
			usable++
		}
	}
	return usable >= f.Wanted()
}

// oldDisks tells whether a fleet may still refer to disks of an older image that
// none of its instances runs on.
func oldDisks(n *fleetNow) bool {
	return n.fleet.Generation > n.fleet.Settled && !slices.ContainsFunc(n.instances, func(i *domain.FleetInstance) bool { return i.Generation != n.fleet.Generation })
}

// apply writes a plan, and what is known of new instances; n then is as it was
// written.
func (k *FleetKeeper) apply(tx store.Tx, n *fleetNow, p *plan) error {
	for _, e := range p.expire {
		e.session.End(n.now, e.why)
		if _, err := tx.Move(e.session.Key, domain.SessionExpire, e.why, e.session); err != nil {
			return err
		}
	}
	for _, x := range p.forget {
		if err := errors.Join(tx.Delete(x.Key), tx.Forget(x.Key)); err != nil {
			return err
		}
	}
	for _, x := range p.unlink {
		x.Link, x.Left = "", n.now
		if err := tx.Put(x); err != nil {
			return err
		}
		p.at(n.now.Add(x.Disconnect))
	}
	for _, x := range p.arrived {
		x.Left, x.Active = n.now, n.now // users cannot come before; only now are they late
		p.at(n.now.Add(x.Disconnect))
		if _, err := tx.Move(x.Key, domain.SessionUp, "", x); err != nil {
			return err
		}
	}
	for _, m := range p.moves {
		m.instance.Why = m.why
		if _, err := tx.Move(m.instance.Key, m.on, m.why, m.instance); err != nil {
			return err
		}
	}
	return k.applyFleet(tx, n, p)
}

// applyFleet makes new instances and writes the fleet itself.
func (k *FleetKeeper) applyFleet(tx store.Tx, n *fleetNow, p *plan) error {
	f := n.fleet
	changed := false
	if healed(n) {
		f.Errors, changed = nil, true
	}
	if p.create > 0 {
		made, problem, err := k.create(tx, n, p.create)
		if err != nil {
			return err
		}
		n.instances = append(n.instances, made...)
		if problem != nil {
			p.at(n.now.Add(k.Backoff(1)))
			if len(f.Errors) != 1 || f.Errors[0].Code != problem.Code || f.Errors[0].Message != problem.Message {
				f.Errors, changed = []domain.ImageError{*problem}, true
				p.at(n.now) // a fleet that starts may run with what it has
			}
		}
	}
	if oldDisks(n) {
		if err := k.dropDisks(tx, n); err != nil {
			return err
		}
		f.Settled, changed = f.Generation, true
	}
	if p.fleet != "" {
		_, err := tx.Move(f.Key, p.fleet, "", f)
		return err
	}
	if changed {
		return tx.Put(f)
	}
	return nil
}

// dropDisks lets go of disks that no instance runs on any more.
func (k *FleetKeeper) dropDisks(tx store.Tx, n *fleetNow) error {
	refs, err := tx.References(n.fleet.Key)
	for _, to := range refs {
		if err == nil && to.Kind == domain.KindDisk && to.Name != n.fleet.Disk {
			err = tx.Unrefer(n.fleet.Key, to)
		}
	}
	return err
}

// create inserts as many instances as there is room for. The problem is why there
// are fewer than asked for, in AWS's words for fleets.
func (k *FleetKeeper) create(tx store.Tx, n *fleetNow, count int) (made []*domain.FleetInstance, problem *domain.ImageError, err error) {
	f := n.fleet
	say := func(code, format string, args ...any) *domain.ImageError {
		return &domain.ImageError{Code: code, Message: fmt.Sprintf(format, args...), At: n.now}
	}
	t, ok := k.World.instances().Find(f.InstanceType)
	if !ok {
		return nil, say(errProvisioning, "The instance type %s is not in the catalogue any more.", f.InstanceType), nil
	}
	subnets, problem, err := place(tx, f, say)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	features := k.World.Driver.Features()
	cpus, memory := t.Fit(domain.HostRoom{MemoryMiB: features.TotalMB, CPUs: features.CPUs})
	fits := count
	if features.TotalMB > 0 {
		held, err := store.HeldMiB(tx)
		if err != nil {
			return nil, nil, err
		}
		free := features.TotalMB - held
		if fits = int(max(free, 0) / memory); fits < count {
			problem = say(errProvisioning, "The host has room for %d of %d further instances: each takes %d MiB of memory, and %d MiB are left for machines. "+
				"Stop an image builder or a fleet, or choose a smaller type.", fits, count, memory, max(free, 0))
		}
	}
	for range min(fits, count) {
		i := &domain.FleetInstance{
			Fleet: f.Key.Name, Generation: f.Generation, InstanceType: f.InstanceType, FleetSource: f.FleetSource, VolumeGiB: f.Volume(), Slots: f.Slots(),
			CPUs: cpus, MemoryMiB: memory, Prepared: f.Type == domain.FleetOnDemand,
			ENI: k.World.IDs.NetworkInterface(), Groups: f.Groups, RoleARN: f.RoleARN, Internet: f.Internet, NoIMDSv1: f.NoIMDSv1,
		}
		i.Key = domain.Key{Scope: f.Key.Scope, Kind: domain.KindFleetInstance, Name: k.World.IDs.Instance()}
		if subnets, err = seat(tx, i, subnets, n.instances, made); fault.Is(err, fault.NotAvailable) {
			return made, say(errAddresses, "%s", fault.Public(err)), nil
		} else if err != nil {
			return nil, nil, err
		}
		if err := tx.Insert(i); err != nil {
			return nil, nil, err
		}
		made = append(made, i)
	}
	return made, problem, nil
}

// place finds the subnets of a fleet; what is wrong with them is told by the
// fleet, not by the request that named them.
func place(tx store.Tx, f *domain.Fleet, say func(code, format string, args ...any) *domain.ImageError) (out []*domain.Subnet, problem *domain.ImageError, err error) {
	vpcs := map[string]bool{}
	for _, id := range f.Subnets {
		n := new(domain.Subnet)
		err := tx.Get(domain.Key{Scope: f.Key.Scope, Kind: domain.KindSubnet, Name: id}, n)
		if fault.Is(err, fault.NotFound) {
			return nil, say(errSubnet, "The subnet %s does not exist.", id), nil
		} else if err != nil {
			return nil, nil, err
		}
		vpcs[n.VPC] = true
		out = append(out, n)
	}
	if len(vpcs) > 1 {
		return nil, say(errSubnets, "The subnets %s belong to different VPCs.", strings.Join(f.Subnets, ", ")), nil
	}
	for _, id := range f.Groups {
		n := new(domain.SecurityGroup)
		err := tx.Get(domain.Key{Scope: f.Key.Scope, Kind: domain.KindSecurityGroup, Name: id}, n)
		if fault.Is(err, fault.NotFound) || err == nil && !vpcs[n.VPC] {
			return nil, say(errGroups, "The security group %s does not exist in the VPC of the subnets.", id), nil
		} else if err != nil {
			return nil, nil, err
		}
	}
	return out, nil, nil
}

// seat gives an instance an address in the subnet with the fewest instances that
// has one left, and returns the subnets that may have more.
func seat(tx store.Tx, i *domain.FleetInstance, subnets []*domain.Subnet, lists ...[]*domain.FleetInstance) ([]*domain.Subnet, error) {
	for {
		var in *domain.Subnet
		if len(subnets) > 0 {
			in = emptiest(subnets, lists...)
		}
		a, err := store.TakeAddress(tx, i.Key, in)
		switch {
		case fault.Is(err, fault.NotAvailable) && len(subnets) > 1:
			subnets = slices.DeleteFunc(slices.Clone(subnets), func(s *domain.Subnet) bool { return s == in })
			continue
		case err != nil:
			return subnets, err
		case in != nil:
			i.Subnet, i.Zone = in.Key.Name, in.Zone
		}
		i.Address = a.String()
		return subnets, nil
	}
}

// emptiest is the subnet with the fewest instances.
func emptiest(subnets []*domain.Subnet, lists ...[]*domain.FleetInstance) *domain.Subnet {
	in := map[string]int{}
	for _, l := range lists {
		for _, i := range l {
			if i.State != domain.InstanceTerminating {
				in[i.Subnet]++
			}
		}
	}
	return slices.MinFunc(subnets, func(a, b *domain.Subnet) int { return in[a.Key.Name] - in[b.Key.Name] })
}

// record writes what tasks have found out: all of what there is now, in one
// transaction.
func (k *FleetKeeper) record(ctx context.Context, first result) error {
	all := []result{first}
	for len(all) < page {
		select {
		case r := <-k.results:
			all = append(all, r)
			continue
		default:
		}
		break
	}
	err := k.World.Store.Update(ctx, func(tx store.Tx) error {
		blamed := map[domain.Key]bool{}
		for _, r := range all {
			if err := k.recordOne(tx, r, blamed); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range all {
		k.release(ctx, r.instance.Key.Name)
		k.dirty[r.instance.FleetKey()] = true
	}
	return err
}

// recordOne writes one result. Failures of one moment count once for a fleet:
// blamed has those that were.
func (k *FleetKeeper) recordOne(tx store.Tx, r result, blamed map[domain.Key]bool) error {
	i := new(domain.FleetInstance)
	err := tx.Get(r.instance.Key, i)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && r.on == "" && !r.gone:
		return nil
	case err != nil:
		return err
	case r.gone:
		k.count(func(f *FleetFigures) { f.Replaced++ })
		return errors.Join(tx.Delete(i.Key), tx.Forget(i.Key))
	}
	if r.cause != nil {
		i.Why = fault.Public(r.cause)
	}
	_, v := domain.InstanceMachine.Next(i.State, r.on)
	if v == domain.Refuse { // it was let go meanwhile
		return nil
	}
	if v, err = tx.Move(i.Key, r.on, i.Why, i); err != nil || v != domain.Accept {
		return err
	}
	f := new(domain.Fleet)
	if err := tx.Get(i.FleetKey(), f); fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	switch {
	case r.on == domain.InstanceBroke:
		k.count(func(f *FleetFigures) { f.Failed++ })
		k.Log.Warn("an instance did not come up", "fleet", f.Key, "instance", i.Key.Name, "error", r.cause)
		if blamed[f.Key] {
			return nil
		}
		blamed[f.Key] = true
		troubled(f, tx.Now(), r.cause, k.Backoff)
		return tx.Put(f)
	case r.on == domain.InstanceUp:
		k.count(func(f *FleetFigures) { f.Booted++ })
	}
	if f.Trouble.Failures > 0 && r.on == domain.InstanceUp {
		f.Trouble = domain.FleetTrouble{}
		return tx.Put(f)
	}
	return nil
}

func (k *FleetKeeper) count(change func(*FleetFigures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.figs)
}
