package service_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// acting is a house whose running builder acts as the role maker.
func acting(t *testing.T) (*house, *wound, *domain.Builder) {
	h, clock := streaming(t)
	h.role("maker", goodTrust, goodPolicy)
	b, err := h.building(func(in *service.BuilderSpec) {
		in.Name, in.RoleARN = "actor", "arn:aws:iam::123456789012:role/maker"
	})
	if err != nil {
		t.Fatal(err)
	}
	h.event(b.Key, domain.BuilderReady)
	return h, clock, b
}

// works tells whether a guest's credentials still stand for somebody.
func (h *house) works(k *domain.SessionKey) bool {
	h.t.Helper()
	c, err := h.Credential(context.Background(), k.Key.Name)
	if err == nil && (c.Caller.ARN != k.ARN() || c.Token != k.Token) {
		h.t.Errorf("the credentials stand for %+v", c.Caller)
	}
	if err != nil && !fault.Is(err, fault.Denied) {
		h.t.Error(err)
	}
	return err == nil
}

func (h *house) guestKey(machine string) *domain.SessionKey {
	h.t.Helper()
	k, err := h.GuestCredentials(context.Background(), machine)
	if err != nil {
		h.t.Fatal(err)
	}
	return k
}

// TestGuestCredentials: the same until they are about to end, then others; all
// of them end when the builder stops, also for when it runs again.
func TestGuestCredentials(t *testing.T) {
	h, clock, b := acting(t)
	first := h.guestKey(b.Machine)
	if first.ARN() != "arn:aws:sts::123456789012:assumed-role/maker/"+domain.InstanceID(b.Machine) || first.Expires.Sub(clock.now) != time.Hour {
		t.Errorf("credentials: %s, until %s", first.ARN(), first.Expires)
	}
	clock.now = clock.now.Add(39 * time.Minute)
	if h.guestKey(b.Machine).Key != first.Key {
		t.Error("others, long before their end")
	}
	clock.now = clock.now.Add(2 * time.Minute)
	second := h.guestKey(b.Machine)
	if second.Key == first.Key || !h.works(first) || !h.works(second) {
		t.Error("the first ones are not followed by second ones while both hold")
	}
	h.event(b.Key, domain.BuilderAskStop)
	if h.works(first) || h.works(second) {
		t.Error("they hold after the builder was told to stop")
	}
	if _, err := h.GuestCredentials(t.Context(), b.Machine); !fault.Is(err, fault.NotFound) {
		t.Errorf("credentials of a builder that stops: %v", err)
	}
	if _, err := h.Guest(t.Context(), b.Machine); !fault.Is(err, fault.NotFound) {
		t.Errorf("the guest of a builder that stops: %v", err)
	}
	h.event(b.Key, domain.BuilderOff)
	if _, err := h.StartBuilder(t.Context(), me, "actor", ""); err != nil {
		t.Fatal(err)
	}
	third := h.guestKey(b.Machine)
	if h.works(second) || !h.works(third) {
		t.Error("the credentials of one run hold in the next")
	}
	// Without the role nothing holds, and a later one of its name is another.
	if err := h.DeleteInline(t.Context(), me, service.Holder{Kind: domain.KindRole, Name: "maker"}, "p"); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteRole(t.Context(), me, "maker"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.GuestCredentials(t.Context(), b.Machine); !fault.Is(err, fault.NotFound) || h.works(third) {
		t.Errorf("without a role: %v", err)
	}
	h.role("maker", goodTrust, "")
	if h.works(third) || h.guestKey(b.Machine).RoleID == third.RoleID {
		t.Error("a role of the same name takes over the sessions of the old one")
	}
	if err := h.SetTrust(t.Context(), me, "maker", wrongTrust); err != nil {
		t.Fatal(err)
	}
	if _, err := h.GuestCredentials(t.Context(), b.Machine); !fault.Is(err, fault.NotFound) {
		t.Errorf("a role that trusts somebody else: %v", err)
	}
	if _, err := h.GuestCredentials(t.Context(), ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody's credentials: %v", err)
	}
}

// TestPlaces: every builder has an address of its subnet that no other has, for
// as long as it is there.
func TestPlaces(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	vpc, err := h.CreateVPC(t.Context(), me, domain.VPC{CIDR: "10.9.0.0/16"}, false)
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := h.CreateSubnet(t.Context(), me, domain.Subnet{VPC: vpc.Key.Name, CIDR: "10.9.8.0/28", Zone: "us-east-1c"}, false)
	if err != nil {
		t.Fatal(err)
	}
	here := func(in *service.BuilderSpec) { in.Subnets = []string{subnet.Key.Name} }
	seen := map[string]bool{}
	add := func(name string, change func(*service.BuilderSpec)) (*domain.Builder, error) {
		b, err := h.building(func(in *service.BuilderSpec) {
			in.Name = name
			if change != nil {
				change(in)
			}
		})
		if err == nil && (seen[b.Address] || !strings.HasPrefix(b.ENI, "eni-") || len(b.ENI) != 21) {
			t.Errorf("%s has %s, %s", name, b.Address, b.ENI)
		} else if err == nil {
			seen[b.Address] = true
		}
		return b, err
	}
	outside, err := add("outside", nil)
	if err != nil || !domain.NoSubnet.Contains(netip.MustParsePrefix(outside.Address).Addr()) {
		t.Fatalf("without a subnet: %+v, %v", outside, err)
	}
	most := 100
	if _, err := h.SetQuota(t.Context(), me.Scope(), domain.QuotaBuilders, &most); err != nil {
		t.Fatal(err)
	}
	free := func() int {
		all, err := h.Subnets(t.Context(), me, []string{subnet.Key.Name})
		if err != nil {
			t.Fatal(err)
		}
		return domain.FreeAddresses(netip.MustParsePrefix(all[0].CIDR)) - all[0].Taken
	}
	for n := free(); n > 0; n-- {
		b, err := add("in-"+string(rune('a'+n)), here)
		if err != nil || !netip.MustParsePrefix("10.9.8.4/28").Contains(netip.MustParsePrefix(b.Address).Addr()) {
			t.Fatalf("with %d left: %+v, %v", n, b, err)
		}
		if n-1 != free() {
			t.Errorf("%d free, want %d", free(), n-1)
		}
		h.event(b.Key, domain.BuilderReady)
		if g, err := h.Guest(t.Context(), b.Machine); err != nil || g.Zone.Name != "us-east-1c" || g.In.VPC != vpc.Key.Name || g.Address.String() != b.Address {
			t.Errorf("guest: %+v, %v", g, err)
		}
	}
	// A fleet's machines have their addresses there, too.
	f := &domain.Fleet{Subnets: []string{subnet.Key.Name}}
	f.Key = me.Key(domain.KindFleet, "f")
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(f) }))
	before := free()
	i := &domain.FleetInstance{Fleet: "f", Subnet: subnet.Key.Name}
	i.Key = me.Key(domain.KindFleetInstance, h.IDs.Instance())
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(i) }))
	if free() != before-1 {
		t.Errorf("%d are free beside an instance, %d without", free(), before)
	}
	if _, err := add("too-many", here); !fault.Is(err, fault.NotAvailable) || !strings.Contains(err.Error(), "10.9.8.0/28") {
		t.Errorf("in a full subnet: %v", err)
	}
}

// TestGuestOfAFleet: it acts as the fleet's role until its instance is taken away,
// by the instance's own id, and makes no images.
func TestGuestOfAFleet(t *testing.T) {
	h, _, keys := served(t, 2, nil)
	h.role("maker", goodTrust, goodPolicy)
	for _, k := range keys {
		h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
			i := new(domain.FleetInstance)
			if err := tx.Get(k, i); err != nil {
				return err
			}
			i.RoleARN = "arn:aws:iam::123456789012:role/maker"
			return tx.Put(i)
		}))
	}
	one, other := h.guestKey(keys[0].Name), h.guestKey(keys[1].Name)
	if one.ARN() != "arn:aws:sts::123456789012:assumed-role/maker/"+keys[0].Name || one.Key == other.Key || !h.works(one) {
		t.Errorf("credentials: %s, %s", one.ARN(), other.ARN())
	}
	if g, err := h.Guest(t.Context(), keys[0].Name); err != nil || g.ID != keys[0].Name || g.Of != keys[0] {
		t.Errorf("%+v, %v", g, err)
	}
	_, _, err := h.GuestCaller(t.Context(), keys[0].Name)
	h.wants("the Image Assistant on a fleet", err, fault.Unsupported, "This machine is an instance of the fleet f: images are made on image builders.")
	h.event(keys[0], domain.InstanceTaken, domain.InstanceDiscard)
	if h.works(one) || !h.works(other) {
		t.Error("the credentials of an instance that was let go work on, or the other's ended")
	}
	_, err = h.GuestCredentials(t.Context(), keys[0].Name)
	h.wants("new ones", err, fault.NotFound, "No guest")
}
