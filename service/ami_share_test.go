package service_test

import (
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

const rootSnapshot = "snap-0000000000000000a"

func amiIDs(t *testing.T, h *house, c domain.Caller, q service.AMIQuery) int {
	t.Helper()
	amis, err := h.AMIs(ctx, c, q)
	if err != nil {
		t.Fatal(err)
	}
	return len(amis)
}

func TestLaunchPermissions(t *testing.T) {
	h := newHouse(t, rules.AWS)
	_, err := h.AMIs(ctx, you, service.AMIQuery{IDs: []string{h.ami}})
	wantKind(t, "a private AMI of others", err, fault.NotFound)
	wantKind(t, "no account", h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami, Launch: service.Grant{Add: []string{"7"}}}), fault.BadValue)
	wantKind(t, "nothing to change", h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami}), fault.BadCombination)
	share := service.AMIChange{ID: h.ami, Launch: service.Grant{Add: []string{you.Account}}}
	wantKind(t, "by somebody else", h.ModifyAMI(ctx, you, share), fault.NotFound)
	dry := share
	dry.DryRun = true
	wantKind(t, "dry run", h.ModifyAMI(ctx, me, dry), fault.DryRun)
	if n := amiIDs(t, h, you, service.AMIQuery{}); n != 0 {
		t.Errorf("a dry run shared %d AMIs", n)
	}
	if err := h.ModifyAMI(ctx, me, share); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		who  domain.Caller
		q    service.AMIQuery
		want int
	}{
		{"shared, by id", you, service.AMIQuery{IDs: []string{h.ami}}, 1},
		{"shared, in the list", you, service.AMIQuery{}, 1},
		{"own ones only", you, service.AMIQuery{Owners: []string{"self"}}, 0},
		{"of the owner", you, service.AMIQuery{Owners: []string{me.Account}}, 1},
		{"explicitly for me", you, service.AMIQuery{Executable: []string{"self"}}, 1},
		{"explicitly for the owner", me, service.AMIQuery{Executable: []string{"self"}}, 0},
		{"explicitly for the other", me, service.AMIQuery{Executable: []string{you.Account}}, 1},
		{"public", you, service.AMIQuery{Executable: []string{"all"}}, 0},
		{"in another Region", domain.Caller{Account: you.Account, Region: "eu-west-1"}, service.AMIQuery{}, 0},
	} {
		if n := amiIDs(t, h, c.who, c.q); n != c.want {
			t.Errorf("%s: %d AMIs, want %d", c.name, n, c.want)
		}
	}
	wantKind(t, "removal by who it is shared with", h.DeregisterAMI(ctx, you, h.ami, false), fault.Denied)
	if err := h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami, Launch: service.Grant{AddAll: true, Remove: []string{you.Account}}}); err != nil {
		t.Fatal(err)
	}
	third := domain.Caller{Account: "333333333333", Region: me.Region}
	if n := amiIDs(t, h, third, service.AMIQuery{Executable: []string{"all"}}); n != 1 {
		t.Errorf("public AMIs: %d", n)
	}
	if err := h.ResetAMI(ctx, me, h.ami, false); err != nil {
		t.Fatal(err)
	}
	if n := amiIDs(t, h, third, service.AMIQuery{}) + amiIDs(t, h, you, service.AMIQuery{}); n != 0 {
		t.Errorf("after the reset others see %d AMIs", n)
	}
}

func TestAMIQuotas(t *testing.T) {
	h := newHouse(t, rules.AWS)
	set := func(code string, n int) {
		if _, err := h.SetQuota(ctx, me.Scope(), code, &n); err != nil {
			t.Fatal(err)
		}
	}
	set(domain.QuotaAMIShares, 1)
	wantKind(t, "two accounts", h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami, Launch: service.Grant{Add: []string{you.Account, "333333333333"}}}), fault.Quota)
	set(domain.QuotaPublicAMIs, 0)
	wantKind(t, "a public one", h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami, Launch: service.Grant{AddAll: true}}), fault.Quota)
	set(domain.QuotaAMIs, 1)
	_, err := h.CopyAMI(ctx, me, service.AMICopy{Source: h.ami, SourceRegion: me.Region, Name: "copy"})
	wantKind(t, "a second AMI", err, fault.Quota)
	set(domain.QuotaAMIs, 9)
	set(domain.QuotaSnapshots, 1)
	_, err = h.CopyAMI(ctx, me, service.AMICopy{Source: h.ami, SourceRegion: me.Region, Name: "copy"})
	wantKind(t, "a second snapshot", err, fault.Quota)
}

func TestCopyAMI(t *testing.T) {
	h := newHouse(t, rules.AWS)
	if err := h.TagIDs(ctx, me, []string{h.ami}, domain.Tags{"a": "1", "b": "2"}, false); err != nil {
		t.Fatal(err)
	}
	there := me
	there.Region = "eu-central-1"
	in := service.AMICopy{Source: h.ami, SourceRegion: me.Region, Name: "copy", ClientToken: "t", CopyTags: true, Tags: domain.Tags{"b": "3"}}
	out, err := h.CopyAMI(ctx, there, in)
	if err != nil {
		t.Fatal(err)
	}
	if out.State != domain.AMIAvailable || out.Key.Name == h.ami || out.SourceAMI != h.ami || out.Tags["a"] != "1" || out.Tags["b"] != "3" || out.Mappings[0].SnapshotID == rootSnapshot {
		t.Errorf("copy: %+v", out)
	}
	snaps, err := h.Snapshots(ctx, there, service.SnapshotQuery{})
	if err != nil || len(snaps) != 1 || snaps[0].Disk != "sd1-"+rootSnapshot || snaps[0].State != domain.SnapshotCompleted {
		t.Errorf("snapshots: %v %v", snaps, err)
	}
	again, err := h.CopyAMI(ctx, there, in)
	if err != nil || again.Key != out.Key {
		t.Errorf("the same token: %v %v", again, err)
	}
	in.Name = "other"
	_, err = h.CopyAMI(ctx, there, in)
	wantKind(t, "the same token with another name", err, fault.BadCombination)
	in.ClientToken, in.Name = "", "copy"
	_, err = h.CopyAMI(ctx, there, in)
	wantKind(t, "the same name", err, fault.Exists)

	// Others need the storage too, not only the permission to launch.
	in = service.AMICopy{Source: h.ami, SourceRegion: me.Region, Name: "yours"}
	_, err = h.CopyAMI(ctx, you, in)
	wantKind(t, "a private AMI", err, fault.NotFound)
	if err := h.ModifyAMI(ctx, me, service.AMIChange{ID: h.ami, Launch: service.Grant{Add: []string{you.Account}}}); err != nil {
		t.Fatal(err)
	}
	_, err = h.CopyAMI(ctx, you, in)
	wantKind(t, "without the snapshot", err, fault.Unsupported)
	if err := h.ShareSnapshot(ctx, me, rootSnapshot, service.Grant{Add: []string{you.Account}}, false); err != nil {
		t.Fatal(err)
	}
	mine, err := h.CopyAMI(ctx, you, in)
	if err != nil || mine.Key.Account != you.Account || len(mine.Tags) != 0 {
		t.Errorf("copy of a shared AMI: %+v %v", mine, err)
	}
}

func TestDeleteSnapshot(t *testing.T) {
	h := newHouse(t, rules.AWS)
	wantKind(t, "in use", h.DeleteSnapshot(ctx, me, rootSnapshot, false), fault.InUse)
	wantKind(t, "of others", h.DeleteSnapshot(ctx, you, rootSnapshot, false), fault.NotFound)
	cp, err := h.CopySnapshot(ctx, me, service.SnapshotCopy{Source: rootSnapshot, SourceRegion: me.Region})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DeregisterAMI(ctx, me, h.ami, false); err != nil {
		t.Fatal(err)
	}
	if err := h.ShareSnapshot(ctx, me, rootSnapshot, service.Grant{AddAll: true}, false); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "public, of others", h.DeleteSnapshot(ctx, you, rootSnapshot, false), fault.Denied)
	wantKind(t, "dry run", h.DeleteSnapshot(ctx, me, rootSnapshot, true), fault.DryRun)
	if err := h.DeleteSnapshot(ctx, me, rootSnapshot, false); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "twice", h.DeleteSnapshot(ctx, me, rootSnapshot, false), fault.NotFound)
	err = h.Store.View(ctx, func(tx store.Tx) error {
		users, err := tx.Referrers(domain.DiskKey("sd1-" + rootSnapshot))
		if len(users) != 1 || users[0] != cp.Key {
			t.Errorf("users of the disk: %v", users)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTagsByID(t *testing.T) {
	h := newHouse(t, rules.AWS)
	ids := []string{h.ami, rootSnapshot}
	wantKind(t, "one of two is missing", h.TagIDs(ctx, me, []string{h.ami, "snap-00000000000000099"}, domain.Tags{"a": ""}, false), fault.NotFound)
	wantKind(t, "no such sort", h.TagIDs(ctx, me, []string{"i-1"}, domain.Tags{"a": ""}, false), fault.BadValue)
	wantKind(t, "reserved key", h.TagIDs(ctx, me, ids, domain.Tags{"aws:x": ""}, false), fault.BadValue)
	wantKind(t, "of others", h.TagIDs(ctx, you, ids, domain.Tags{"a": ""}, false), fault.NotFound)
	all := func(domain.TagKind) bool { return true }
	if got, err := h.Taggings(ctx, me, all); err != nil || len(got) != 0 {
		t.Errorf("refusals left tags: %v %v", got, err)
	}
	if err := h.TagIDs(ctx, me, ids, domain.Tags{"a": "1", "b": "2"}, false); err != nil {
		t.Fatal(err)
	}
	if err := h.UntagIDs(ctx, me, ids, []service.TagDrop{{Key: "a", Value: new("other")}, {Key: "b"}}, false); err != nil {
		t.Fatal(err)
	}
	got, err := h.Taggings(ctx, me, all)
	if err != nil || len(got) != 2 || len(got[0].Tags) != 1 || got[0].Tags["a"] != "1" {
		t.Errorf("tags: %+v %v", got, err)
	}
	if err := h.UntagIDs(ctx, me, ids, nil, false); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Taggings(ctx, me, all); err != nil || len(got) != 0 {
		t.Errorf("all tags removed: %v %v", got, err)
	}
}
