package service_test

import (
	"context"
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

func (h *house) fleet(change func(*service.FleetSpec)) (service.FleetSeen, error) {
	in := service.FleetSpec{Name: "f", ImageName: "img", Capacity: service.FleetSize{Instances: new(int64(2))}}
	in.InstanceType = "GeneralPurpose.m7i.large"
	if change != nil {
		change(&in)
	}
	return h.CreateFleet(context.Background(), me, in)
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) wants(what string, err error, kind fault.Kind, words string) {
	h.t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Public(err), words) {
		h.t.Errorf("%s: %v", what, err)
	}
}

// TestFleetCreationRules has one row per rule of CreateFleet.
func TestFleetCreationRules(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	h.role("untrusting", wrongTrust, goodPolicy)
	_, err := h.fleet(func(in *service.FleetSpec) { in.Name = "taken" })
	h.must(err)
	subnets, err := h.Subnets(t.Context(), me, nil)
	h.must(err)
	elastic := func(in *service.FleetSpec) {
		in.Type, in.ImageName, in.Capacity, in.InstanceType, in.Platform, in.MaxSessions = domain.FleetElastic, "", service.FleetSize{}, "stream.standard.small", "WINDOWS_SERVER_2019", 5
		in.Subnets = []string{subnets[0].Key.Name, subnets[1].Key.Name}
	}
	type spec = service.FleetSpec
	size := func(instances, sessions int64) service.FleetSize {
		return service.FleetSize{Instances: new(instances), Sessions: new(sessions)}
	}
	for _, c := range []struct {
		name   string
		change func(*spec)
		kind   fault.Kind
		words  string
	}{
		{"no image", func(in *spec) { in.ImageName = "" }, fault.BadCombination, "neither the image name nor image arn had been set"},
		{"two different images", func(in *spec) { in.ImageARN = domain.ImageARN(me.Key(domain.KindImage, "other")) }, fault.BadCombination, "different images"},
		{"unknown image", func(in *spec) { in.ImageName = "none" }, fault.NotFound, "The image none for account 123456789012 does not exist."},
		{"no capacity", func(in *spec) { in.Capacity = service.FleetSize{} }, fault.BadCombination, "exactly one of"},
		{"two capacities", func(in *spec) { in.Capacity = size(1, 1) }, fault.BadCombination, "exactly one of"},
		{"negative capacity", func(in *spec) { in.Capacity.Instances = new(int64(-1)) }, fault.BadValue, "negative"},
		{"sessions without their number", func(in *spec) { in.Capacity = service.FleetSize{Sessions: new(int64(2))} }, fault.BadCombination, "MaxSessionsPerInstance"},
		{"instances with several sessions", func(in *spec) { in.PerInstance = 2 }, fault.BadCombination, "DesiredSessions"},
		{"too many sessions", func(in *spec) { in.PerInstance, in.Capacity = 51, service.FleetSize{Sessions: new(int64(2))} }, fault.BadValue, "from 1 to 50"},
		{"short duration", func(in *spec) { in.Times.MaxDuration = new(int64(599)) }, fault.BadValue, "from 600 to 432000"},
		{"long duration", func(in *spec) { in.Times.MaxDuration = new(int64(432001)) }, fault.BadValue, "from 600 to 432000"},
		{"short disconnect", func(in *spec) { in.Times.Disconnect = new(int64(59)) }, fault.BadValue, "from 60 to 36000"},
		{"no disconnect", func(in *spec) { in.Times.Disconnect = new(int64(0)) }, fault.BadValue, "from 60 to 36000"},
		{"long idle", func(in *spec) { in.IdleTimeout = 36001 }, fault.BadValue, "from 60 to 36000"},
		{"short idle", func(in *spec) { in.IdleTimeout = 59 }, fault.BadValue, "from 60 to 36000"},
		{"small volume", func(in *spec) { in.VolumeGiB = 199 }, fault.BadValue, "from 200 to 500"},
		{"large volume", func(in *spec) { in.VolumeGiB = 501 }, fault.BadValue, "from 200 to 500"},
		{"six groups", func(in *spec) { in.Groups = make([]string, 6) }, fault.BadValue, "at most 5"},
		{"groups alone", func(in *spec) { in.Groups = []string{"sg-1"} }, fault.BadCombination, "SubnetIds"},
		{"unknown type", func(in *spec) { in.InstanceType = "stream.huge" }, fault.BadValue, "not supported for fleets"},
		{"end of life", func(in *spec) { in.InstanceType = "stream.graphics-design.large" }, fault.BadValue, "end of life"},
		{"other family", func(in *spec) { in.InstanceType = "stream.standard.small" }, fault.BadCombination, "The combination of instance type stream.standard.small and image instance family"},
		{"other platform", func(in *spec) { in.Platform = "RHEL8" }, fault.BadCombination, "RHEL8"},
		{"directory", func(in *spec) { in.Directory = &domain.DomainJoin{Directory: "corp"} }, fault.NotFound, "directory config corp"},
		{"sessions of Elastic fleets", func(in *spec) { in.MaxSessions = 5 }, fault.BadCombination, "Elastic"},
		{"script of Elastic fleets", func(in *spec) { in.Script = &domain.S3Location{Bucket: "b", Key: "k"} }, fault.BadCombination, "Elastic"},
		{"missing role", func(in *spec) { in.RoleARN = "arn:aws:iam::123456789012:role/none" }, fault.BadRole, "encountered an error because your IAM role"},
		{"untrusting role", func(in *spec) { in.RoleARN = "arn:aws:iam::123456789012:role/untrusting" }, fault.BadRole, "does not trust"},
		{"over the quota of its type", func(in *spec) { in.Capacity.Instances = new(int64(51)) }, fault.Quota,
			"The Instance type 'GeneralPurpose.m7i.large' capacity limit for fleet f' was exceeded. Requested: 51, Limit: 50"},
		{"taken name", func(in *spec) { in.Name = "taken" }, fault.Exists, "already exists"},
		{"Elastic with an image", func(in *spec) { elastic(in); in.ImageName = "img" }, fault.BadCombination, "has no image"},
		{"Elastic with capacity", func(in *spec) { elastic(in); in.Capacity = service.FleetSize{Instances: new(int64(1))} }, fault.BadCombination, "ComputeCapacity"},
		{"Elastic with several sessions", func(in *spec) { elastic(in); in.PerInstance = 2 }, fault.BadCombination, "MaxSessionsPerInstance"},
		{"Elastic without platform", func(in *spec) { elastic(in); in.Platform = "" }, fault.BadCombination, "Platform"},
		{"Elastic without sessions", func(in *spec) { elastic(in); in.MaxSessions = 0 }, fault.BadCombination, "MaxConcurrentSessions"},
		{"Elastic in one subnet", func(in *spec) { elastic(in); in.Subnets = in.Subnets[:1] }, fault.BadCombination, "at least 2 subnets"},
		{"Elastic in one zone", func(in *spec) { elastic(in); in.Subnets[1] = in.Subnets[0] }, fault.BadCombination, "different availability zones"},
		{"Elastic on another type", func(in *spec) { elastic(in); in.InstanceType = "GeneralPurpose.m7i.large" }, fault.BadValue, "Elastic fleets"},
		{"Elastic with a script without key", func(in *spec) { elastic(in); in.Script = &domain.S3Location{Bucket: "b"} }, fault.BadCombination, "S3Key"},
	} {
		_, err := h.fleet(c.change)
		h.wants(c.name, err, c.kind, c.words)
	}
	all, _, err := h.Fleets(t.Context(), me, nil, "", 0)
	if err != nil || len(all) != 1 {
		t.Errorf("refused requests left %d fleets, %v", len(all), err)
	}
	f, err := h.fleet(func(in *service.FleetSpec) {
		elastic(in)
		in.Script = &domain.S3Location{Bucket: "b", Key: "k"}
	})
	h.must(err)
	h.wants("start of an Elastic fleet", h.StartFleet(t.Context(), me, "f"), fault.Unsupported, "app blocks are not served yet")
	if f.State != domain.FleetStopped || f.ImageARN != "" {
		t.Errorf("elastic: %+v", f.Fleet)
	}
	_, err = h.fleet(func(in *service.FleetSpec) { in.Name, in.ImageARN = "both", domain.ImageARN(img.Key) })
	h.must(err) // name and ARN of one image
	_, err = h.fleet(func(in *service.FleetSpec) { in.Name, in.Subnets = "badly-placed", []string{"subnet-none"} })
	h.must(err) // told when it starts
	_, err = h.SetQuota(t.Context(), me.Scope(), domain.QuotaFleets, new(4))
	h.must(err)
	_, err = h.fleet(func(in *service.FleetSpec) { in.Name = "one-more" })
	h.wants("beyond the quota", err, fault.Quota, "4 of 4")
}

// TestInternetAccessIsForSmallFleets: 100 instances, also for fleets that become
// larger, or get the internet, later.
func TestInternetAccessIsForSmallFleets(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	_, err := h.SetQuota(t.Context(), me.Scope(), domain.QuotaInstances, new(1000))
	h.must(err)
	_, err = h.fleet(func(in *service.FleetSpec) { in.Internet, in.Capacity.Instances = true, new(int64(101)) })
	h.wants("101 instances", err, fault.Quota, "it may have 100 instances, not 101")
	_, err = h.fleet(func(in *service.FleetSpec) { in.Internet, in.Capacity.Instances = true, new(int64(100)) })
	h.must(err)
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{Capacity: service.FleetSize{Instances: new(int64(101))}})
	h.wants("one more", err, fault.Quota, "it may have 100 instances, not 101")
	_, err = h.fleet(func(in *service.FleetSpec) { in.Name, in.Capacity.Instances = "inside", new(int64(101)) })
	h.must(err)
	_, err = h.UpdateFleet(t.Context(), me, "inside", service.FleetUpdate{Internet: new(true)})
	h.wants("the internet later", err, fault.Quota, "it may have 100 instances, not 101")
}

// TestFleetDefaults: what a fleet says that was told nothing, and what it echoes.
func TestFleetDefaults(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	f, err := h.fleet(func(in *service.FleetSpec) { in.Capacity.Instances, in.IdleTimeout = new(int64(0)), 70 })
	h.must(err)
	if f.Type != domain.FleetAlwaysOn || f.StreamView != "APP" || f.MaxDuration != 57600 || f.DisconnectTimeout != 900 || f.Internet || f.VolumeGiB != 0 ||
		f.State != domain.FleetStopped || f.Capacity.Desired != 0 {
		t.Errorf("%+v", f.Fleet)
	}
	if f.IdleTimeout != 70 || f.Idle().Seconds() != 60 {
		t.Errorf("idle: kept as %d, used as %v", f.IdleTimeout, f.Idle())
	}
}

// started is a fleet that runs, without its keeper.
func (h *house) started() {
	h.t.Helper()
	h.must(h.StartFleet(h.t.Context(), me, "f"))
	h.event(me.Key(domain.KindFleet, "f"), domain.FleetReady)
}

// TestFleetUpdateRules: what a fleet takes when it is stopped, and when it runs.
func TestFleetUpdateRules(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.available("next")
	_, err := h.fleet(nil)
	h.must(err)
	type upd = service.FleetUpdate
	update := func(u upd) (service.FleetSeen, error) { return h.UpdateFleet(t.Context(), me, "f", u) }
	active := "Cannot update the attribute for fleet f when it is ACTIVE. The fleet must be stopped to complete this action."
	only := []struct {
		name string
		u    upd
	}{
		{"description", upd{Description: new("d")}}, {"type", upd{InstanceType: new("GeneralPurpose.m7i.xlarge")}}, {"duration", upd{MaxDuration: new(int64(700))}},
		{"view", upd{StreamView: new("DESKTOP")}}, {"internet", upd{Internet: new(true)}}, {"subnets", upd{Subnets: []string{"subnet-1"}}}, {"volume", upd{VolumeGiB: new(int64(300))}},
		{"filters", upd{UsbFilters: []string{"a"}}},
	}
	h.started()
	for _, c := range only {
		_, err := update(c.u)
		h.wants(c.name+" while it runs", err, fault.InUse, active)
	}
	f, err := update(upd{DisplayName: new("F"), DisconnectTimeout: new(int64(60)), IdleTimeout: new(int64(600)), Capacity: service.FleetSize{Instances: new(int64(3))}})
	h.must(err)
	if f.DisplayName != "F" || f.Desired != 3 || f.Generation != 1 {
		t.Errorf("%+v", f.Fleet)
	}
	if f, err = update(upd{ImageName: new("next")}); err != nil || f.Generation != 2 || f.Image.Name != "next" {
		t.Errorf("another image: %+v, %v", f.Fleet, err)
	}
	h.wants("deletion of what runs", h.DeleteFleet(t.Context(), me, "f"), fault.InUse, "must be STOPPED")
	h.wants("deletion of a used image", imageGone(h, "next"), fault.InUse, "fleet f")
	h.must(imageGone(h, "img")) // nothing is made of it any more
	h.must(h.StopFleet(t.Context(), me, "f"))
	_, err = update(upd{DisplayName: new("G")})
	h.wants("while it stops", err, fault.WrongState, "STOPPING")
	h.wants("start while it stops", h.StartFleet(t.Context(), me, "f"), fault.WrongState, "STOPPING")
	h.event(me.Key(domain.KindFleet, "f"), domain.FleetEmpty)
	for _, c := range only {
		if _, err := update(c.u); err != nil {
			t.Errorf("%s while it is stopped: %v", c.name, err)
		}
	}
	for _, c := range []struct {
		name  string
		u     upd
		kind  fault.Kind
		words string
	}{
		{"another family", upd{InstanceType: new("MemoryOptimized.r7i.large")}, fault.BadCombination, "family"},
		{"set and deleted", upd{VolumeGiB: new(int64(300)), Drop: []string{"VOLUME_CONFIGURATION"}}, fault.BadCombination, "at once"},
		{"sessions", upd{Capacity: service.FleetSize{Sessions: new(int64(3))}}, fault.BadCombination, "MaxSessionsPerInstance"},
		{"platform", upd{Platform: new("RHEL8")}, fault.BadCombination, "platform"},
		{"unknown image", upd{ImageName: new("none")}, fault.NotFound, "The image none"},
	} {
		_, err := update(c.u)
		h.wants(c.name, err, c.kind, c.words)
	}
	f, err = update(upd{Drop: []string{"VPC_CONFIGURATION", "VOLUME_CONFIGURATION", "USB_DEVICE_FILTER_STRINGS", "IAM_ROLE_ARN", "DOMAIN_JOIN_INFO", "SESSION_SCRIPT_S3_LOCATION"}, Directory: &domain.DomainJoin{}})
	h.must(err)
	if f.Subnets != nil || f.VolumeGiB != 200 || f.UsbFilters != nil {
		t.Errorf("deleted: %+v", f.Fleet)
	}
	h.must(h.StopFleet(t.Context(), me, "f")) // once more is fine
	h.must(h.DeleteFleet(t.Context(), me, "f"))
	h.wants("once more", h.DeleteFleet(t.Context(), me, "f"), fault.NotFound, "The fleet f")
}

func imageGone(h *house, name string) error {
	_, err := h.DeleteImage(h.t.Context(), me, name)
	return err
}

// TestFleetWithSeveralSessions: only Windows servers, and with real machines not
// yet.
func TestFleetWithSeveralSessions(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	f, err := h.fleet(func(in *service.FleetSpec) {
		in.PerInstance, in.Capacity = 4, service.FleetSize{Sessions: new(int64(10))}
	})
	h.must(err)
	if f.Capacity.Desired != 3 {
		t.Errorf("%d instances for 10 sessions of 4", f.Capacity.Desired)
	}
	h.wants("start", h.StartFleet(t.Context(), me, "f"), fault.Unsupported, "one screen each")
	h.Host = small{domain.HostRoom{Pretend: true}}
	h.started()
	if _, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{PerInstance: new(int64(5)), Capacity: service.FleetSize{Sessions: new(int64(20))}}); err != nil {
		t.Errorf("capacity and sessions per instance together: %v", err)
	}
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{PerInstance: new(int64(6))})
	h.wants("sessions per instance alone", err, fault.InUse, "ACTIVE")
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
		n := new(domain.Image)
		if err := tx.Get(me.Key(domain.KindImage, "img"), n); err != nil {
			return err
		}
		n.Platform = "RHEL8"
		return tx.Put(n)
	}))
	_, err = h.fleet(func(in *service.FleetSpec) {
		in.Name, in.PerInstance, in.Capacity = "linux", 4, service.FleetSize{Sessions: new(int64(10))}
	})
	h.wants("Linux", err, fault.Incompatible, "several sessions")
}

// TestFleetsAndBuildersShareTheHost: the memory of both together must fit.
func TestFleetsAndBuildersShareTheHost(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.Host = small{domain.HostRoom{MemoryMiB: 20 << 10}} // a machine of the type has 8 GiB
	h.built("b", domain.BuilderReady)
	_, err := h.fleet(nil)
	h.must(err)
	h.wants("two beside a builder", h.StartFleet(t.Context(), me, "f"), fault.NotAvailable, "There is not enough capacity for instance type")
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{Capacity: service.FleetSize{Instances: new(int64(1))}})
	h.must(err)
	h.started()
	h.instance(1, domain.InstanceUp)
	_, err = h.building(func(in *service.BuilderSpec) { in.Name = "c" })
	h.wants("a builder beside a fleet", err, fault.NotAvailable, "There is not enough capacity")
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{Capacity: service.FleetSize{Instances: new(int64(2))}})
	h.wants("a larger fleet", err, fault.NotAvailable, "There is not enough capacity")
}

// instance makes instances of the fleet f as its keeper does, and moves each.
func (h *house) instance(n int, events ...domain.Event) (keys []domain.Key) {
	h.t.Helper()
	for range n {
		h.must(h.Store.Update(h.t.Context(), func(tx store.Tx) error {
			f := new(domain.Fleet)
			if err := tx.Get(me.Key(domain.KindFleet, "f"), f); err != nil {
				return err
			}
			i := &domain.FleetInstance{Fleet: "f", Generation: f.Generation, Slots: f.Slots(), MemoryMiB: 8 << 10}
			i.Key = me.Key(domain.KindFleetInstance, h.IDs.Instance())
			keys = append(keys, i.Key)
			return tx.Insert(i)
		}))
		h.event(keys[len(keys)-1], events...)
	}
	return keys
}

// TestImageThatIsNotSharedAnyMore empties the fleets of the account it was
// shared with.
func TestImageThatIsNotSharedAnyMore(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	you := me
	you.Account = "210987654321"
	h.must(h.ShareImage(t.Context(), me, "img", service.ImageShare{Account: you.Account, ImagePermission: domain.ImagePermission{Fleet: true}}))
	in := service.FleetSpec{Name: "f", ImageARN: domain.ImageARN(img.Key), Capacity: service.FleetSize{Instances: new(int64(2))}}
	in.InstanceType = "GeneralPurpose.m7i.large"
	_, err := h.CreateFleet(t.Context(), you, in)
	h.must(err)
	h.must(h.UnshareImage(t.Context(), me, "img", you.Account))
	f, _, err := h.Fleet(t.Context(), you, "f")
	if err != nil || f.Desired != 0 {
		t.Errorf("it still wants %d, %v", f.Desired, err)
	}
	in.Name = "g"
	_, err = h.CreateFleet(t.Context(), you, in)
	h.wants("another fleet of it", err, fault.NotFound, "The image ")
}
