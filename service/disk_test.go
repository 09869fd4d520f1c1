package service_test

import (
	"fmt"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// The figures of disks that two accounts use add up, and an account is not told
// that somebody else has the same content.
func TestUsage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	const digest = "sd1-" + rootSnapshot
	err := h.Store.Update(ctx, func(tx store.Tx) error {
		d := new(domain.Disk)
		if err := tx.Get(domain.DiskKey(digest), d); err != nil {
			return err
		}
		d.DataBytes = 100
		if err := tx.Put(d); err != nil {
			return err
		}
		for _, k := range []domain.Key{me.Key(domain.KindImage, "i"), you.Key(domain.KindSnapshot, "snap-2")} {
			if err := tx.Refer(k, d.Key); err != nil {
				return err
			}
		}
		own := &domain.Disk{SizeBytes: 1 << 30, DataBytes: 7}
		own.Key = domain.DiskKey("sd1-own")
		if err := tx.Insert(own); err != nil {
			return err
		}
		return tx.Refer(me.Key(domain.KindSnapshot, "snap-3"), own.Key)
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Usage(ctx, "")
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for _, a := range all {
		want := "{" + you.Account + " 1 1 1073741824 100 0 50}"
		if a.Account == me.Account {
			want = "{" + me.Account + " 3 2 3221225472 107 7 57}"
		}
		if got := fmt.Sprint(a); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	mine, err := h.Usage(ctx, me.Account)
	if got, want := fmt.Sprint(mine), "[{"+me.Account+" 3 2 3221225472 107 0 0}]"; err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
	yours, err := h.DiskUses(ctx, you.Account)
	if err != nil || len(yours) != 1 || len(yours[0].Users) != 1 || yours[0].Users[0].Name != "snap-2" {
		t.Errorf("%+v %v", yours, err)
	}
	u, err := h.DiskUse(ctx, "", digest)
	if err != nil || len(u.Users) != 4 { // two snapshots, an image, an AMI
		t.Errorf("%+v %v", u, err)
	}
	if _, err := h.DiskUse(ctx, you.Account, "sd1-own"); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else's disk: %v", err)
	}
	_, none := h.DiskUse(ctx, you.Account, "sd1-none")
	_, theirs := h.DiskUse(ctx, you.Account, "sd1-own")
	if len(fault.Public(none)) != len(fault.Public(theirs))+1 {
		t.Errorf("the two refusals differ: %v, %v", none, theirs)
	}
}
