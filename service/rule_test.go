package service_test

import (
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// Rules of fleets that the wire does not show: about fleets that do not run
// here, and images that no operation makes.

// TestRuleRunningElasticFleet: what an elastic fleet takes while it runs.
func TestRuleRunningElasticFleet(t *testing.T) {
	h := newHouse(t, rules.AWS)
	subnets, err := h.Subnets(t.Context(), me, nil)
	h.must(err)
	in := service.FleetSpec{Name: "f", Platform: "WINDOWS_SERVER_2019"}
	in.Type, in.InstanceType, in.MaxSessions, in.Subnets = domain.FleetElastic, "stream.standard.small", 5, []string{subnets[0].Key.Name, subnets[1].Key.Name}
	_, err = h.CreateFleet(t.Context(), me, in)
	h.must(err)
	h.event(me.Key(domain.KindFleet, "f"), domain.FleetAskStart, domain.FleetReady) // as if app blocks were served
	type upd = service.FleetUpdate
	for what, u := range map[string]upd{
		"display name": {DisplayName: new("F")}, "timeouts": {DisconnectTimeout: new(int64(60)), IdleTimeout: new(int64(60))}, "sessions": {MaxSessions: new(int64(9))},
		"script": {Script: &domain.S3Location{Bucket: "b", Key: "k"}}, "USB filters": {UsbFilters: []string{"a"}}, "no USB filters": {Drop: []string{"USB_DEVICE_FILTER_STRINGS"}},
	} {
		if _, err := h.UpdateFleet(t.Context(), me, "f", u); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, u := range map[string]upd{
		"description": {Description: new("d")}, "duration": {MaxDuration: new(int64(700))}, "type": {InstanceType: new("stream.standard.medium")}, "platform": {Platform: new("AMAZON_LINUX2")},
		"internet": {Internet: new(true)}, "subnets": {Subnets: []string{subnets[1].Key.Name, subnets[2].Key.Name}}, "view": {StreamView: new("DESKTOP")}, "volume": {VolumeGiB: new(int64(300))},
	} {
		_, err := h.UpdateFleet(t.Context(), me, "f", u)
		h.wants(what, err, fault.InUse, "when it is ACTIVE")
	}
}

// image changes the image "img".
func (h *house) image(change func(n *domain.Image)) {
	h.t.Helper()
	h.must(h.Store.Update(h.t.Context(), func(tx store.Tx) error {
		n := new(domain.Image)
		if err := tx.Get(me.Key(domain.KindImage, "img"), n); err != nil {
			return err
		}
		change(n)
		return tx.Put(n)
	}))
}

// TestRuleRootVolumeHoldsTheImage: a machine's disk is as large as the image's.
func TestRuleRootVolumeHoldsTheImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.image(func(n *domain.Image) { n.DiskBytes = 250<<30 + 1 })
	_, err := h.fleet(nil)
	h.wants("the standard", err, fault.BadValue, "VolumeSizeInGb is 200: the disk of the image img is larger, 251 GiB")
	_, err = h.fleet(func(in *service.FleetSpec) { in.VolumeGiB = 250 })
	h.wants("a byte too small", err, fault.BadValue, "251 GiB")
	_, err = h.fleet(func(in *service.FleetSpec) { in.VolumeGiB = 251 })
	h.must(err)
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{Drop: []string{"VOLUME_CONFIGURATION"}})
	h.wants("the standard again", err, fault.BadValue, "at least 251")
	h.image(func(n *domain.Image) { n.DiskBytes = 501 << 30 })
	_, err = h.building(nil)
	h.wants("an image for which no volume is large enough", err, fault.BadValue, "500 GiB at most")
}

// TestRunningFleetSaysWhatItRefuses: in the words of the API.
func TestRunningFleetSaysWhatItRefuses(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	subnets, err := h.Subnets(t.Context(), me, nil)
	h.must(err)
	h.role("role", goodTrust, goodPolicy)
	_, err = h.fleet(nil)
	h.must(err)
	h.event(me.Key(domain.KindFleet, "f"), domain.FleetAskStart, domain.FleetReady)
	type upd = service.FleetUpdate
	for member, u := range map[string]upd{
		"Description": {Description: new("d")}, "DisableIMDSV1": {NoIMDSv1: new(true)}, "EnableDefaultInternetAccess": {Internet: new(true)},
		"IamRoleArn": {RoleARN: new("arn:aws:iam::123456789012:role/role")}, "InstanceType": {InstanceType: new("GeneralPurpose.m7i.xlarge")},
		"MaxUserDurationInSeconds": {MaxDuration: new(int64(700))}, "RootVolumeConfig": {VolumeGiB: new(int64(300))}, "StreamView": {StreamView: new("DESKTOP")},
		"UsbDeviceFilterStrings": {UsbFilters: []string{"a"}}, "VpcConfig": {Subnets: []string{subnets[0].Key.Name}},
	} {
		_, err := h.UpdateFleet(t.Context(), me, "f", u)
		h.wants(member, err, fault.InUse, "(It would change "+member+".)")
	}
}

// TestFleetOfSharedImage: a name means nothing to others; beside the ARN it does no
// harm, unless it is another image's.
func TestFleetOfSharedImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	h.must(h.ShareImage(t.Context(), me, "img", service.ImageShare{Account: "210987654321", ImagePermission: domain.ImagePermission{Fleet: true}}))
	you := domain.Caller{Account: "210987654321", Region: me.Region}
	make := func(fleet, name, arn string) error {
		in := service.FleetSpec{Name: fleet, ImageName: name, ImageARN: arn, Capacity: service.FleetSize{Instances: new(int64(1))}}
		in.InstanceType = "GeneralPurpose.m7i.large"
		_, err := h.CreateFleet(t.Context(), you, in)
		return err
	}
	h.wants("by its name", make("f", "img", ""), fault.NotFound, "The image img for account 210987654321 does not exist.")
	h.wants("by ARN and another name", make("f", "image", domain.ImageARN(img.Key)), fault.BadCombination, "different images")
	h.must(make("f", "img", domain.ImageARN(img.Key)))
	h.must(make("g", "", domain.ImageARN(img.Key)))
}

// TestRuleDesktopWindowsHasOneSession: an image of Windows brought by its owner
// runs on stream types, one user a machine.
func TestRuleDesktopWindowsHasOneSession(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.image(func(n *domain.Image) { n.Type, n.Platform, n.Families = "BYOL", "WINDOWS", nil })
	_, err := h.fleet(nil)
	h.wants("a general purpose type", err, fault.BadCombination, "The combination of instance type")
	several := func(in *service.FleetSpec) {
		in.InstanceType, in.PerInstance, in.Capacity = "stream.standard.large", 2, service.FleetSize{Sessions: new(int64(2))}
	}
	_, err = h.fleet(several)
	h.wants("several sessions", err, fault.Incompatible, "several sessions")
	h.image(func(n *domain.Image) { n.Platform = "WINDOWS_SERVER_2022" })
	_, err = h.fleet(several)
	h.wants("several sessions on a server of the owner's", err, fault.Incompatible, "several sessions")
	_, err = h.fleet(func(in *service.FleetSpec) { in.InstanceType = "stream.standard.large" })
	h.must(err)
}

// TestRuleFleetsOfOldTypesGoOn: a type at its end of life is for nothing new.
func TestRuleFleetsOfOldTypesGoOn(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.Host = small{domain.HostRoom{Pretend: true}}
	h.available("img")
	h.image(func(n *domain.Image) { n.Type, n.Families = "NATIVE", nil })
	_, err := h.fleet(func(in *service.FleetSpec) { in.InstanceType = "stream.graphics.g4dn.xlarge" })
	h.must(err)
	const old = "stream.graphics-design.large"
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{InstanceType: new(old)})
	h.wants("a change to it", err, fault.BadValue, "end of life")
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
		f := new(domain.Fleet)
		if err := tx.Get(me.Key(domain.KindFleet, "f"), f); err != nil {
			return err
		}
		f.InstanceType = old // made before its end
		return tx.Put(f)
	}))
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{Description: new("d")})
	h.must(err)
	h.must(h.StartFleet(t.Context(), me, "f"))
	_, err = h.UpdateFleet(t.Context(), me, "f", service.FleetUpdate{DisplayName: new("F")})
	h.wants("while it starts", err, fault.WrongState, "STARTING")
}

// TestRuleGraphicsTakeAHostThatHasThem: no machine of this host's has a GPU.
func TestRuleGraphicsTakeAHostThatHasThem(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.image(func(n *domain.Image) { n.Families = []string{"GENERAL_PURPOSE"} })
	_, err := h.fleet(func(in *service.FleetSpec) { in.InstanceType = "Accelerated.g4dn.xlarge" })
	h.wants("an image without graphics", err, fault.BadCombination, "image instance family")
	h.image(func(n *domain.Image) { n.Families = append(n.Families, "GRAPHICS_G4") })
	_, err = h.fleet(func(in *service.FleetSpec) { in.InstanceType = "Accelerated.g4dn.xlarge" })
	h.must(err)
	h.wants("a start", h.StartFleet(t.Context(), me, "f"), fault.NotAvailable, "needs a GPU")
}

// TestRuleStartAndStopAreSeenAtOnce: who looks after the answer never sees the
// state before, which waiters take for failure.
func TestRuleStartAndStopAreSeenAtOnce(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	_, err := h.fleet(nil)
	h.must(err)
	is := func(want domain.State) {
		t.Helper()
		if f, _, err := h.Fleet(t.Context(), me, "f"); err != nil || f.State != want {
			t.Errorf("it is %s, %v", f.State, err)
		}
	}
	h.must(h.StartFleet(t.Context(), me, "f"))
	is(domain.FleetStarting)
	h.event(me.Key(domain.KindFleet, "f"), domain.FleetReady)
	h.must(h.StopFleet(t.Context(), me, "f"))
	is(domain.FleetStopping)
}
