package service_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// you is another account of the same server.
var you = domain.Caller{Account: "210987654321", Region: me.Region}

var ctx = context.Background()

func fleetOnly(account string) service.ImageShare {
	return service.ImageShare{Account: account, ImagePermission: domain.ImagePermission{Fleet: true}}
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

func names(imgs []*domain.Image) []string {
	out := []string{}
	for _, i := range imgs {
		out = append(out, i.Visibility+" "+i.Key.Name)
	}
	return out
}

func wantImages(t *testing.T, h *house, c domain.Caller, q service.ImageQuery, want ...string) []*domain.Image {
	t.Helper()
	imgs, _, err := h.Images(ctx, c, q)
	if got := names(imgs); err != nil || !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("%+v for %s: %v %v, want %v", q, c.Account, got, err, want)
	}
	return imgs
}

func TestASharesAndBSees(t *testing.T) {
	h := newHouse(t, rules.AWS)
	img := h.available("img")
	arn := domain.ImageARN(img.Key)
	wantImages(t, h, you, service.ImageQuery{})
	if _, _, err := h.Images(ctx, you, service.ImageQuery{ARNs: []string{arn}}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an image of others is given away: %v", err)
	}
	if err := h.ShareImage(ctx, me, "img", fleetOnly(you.Account)); err != nil {
		t.Fatal(err)
	}
	seen := wantImages(t, h, you, service.ImageQuery{}, "SHARED img")[0]
	if p := seen.Shares[you.Account]; len(seen.Shares) != 1 || !p.Fleet || p.Builder || seen.RoleARN != "" {
		t.Errorf("what the other account sees: %+v", seen)
	}
	wantImages(t, h, you, service.ImageQuery{ARNs: []string{arn}}, "SHARED img")
	wantImages(t, h, you, service.ImageQuery{Type: "SHARED"}, "SHARED img")
	wantImages(t, h, you, service.ImageQuery{Type: "PRIVATE"})
	wantImages(t, h, me, service.ImageQuery{Type: "SHARED"})
	own := wantImages(t, h, me, service.ImageQuery{}, "PRIVATE img")[0]
	if len(own.Shares) != 1 {
		t.Errorf("the owner does not see that it is shared: %+v", own)
	}
	elsewhere := you
	elsewhere.Region = "eu-central-1"
	wantImages(t, h, elsewhere, service.ImageQuery{})

	_, _, err := h.Images(ctx, you, service.ImageQuery{Names: []string{"img"}})
	wantKind(t, "a shared image by name", err, fault.NotFound)
	_, err = h.DeleteImage(ctx, you, "img")
	wantKind(t, "deletion by who it is shared with", err, fault.NotFound)
	_, err = h.CopyImage(ctx, you, service.ImageCopy{Source: "img", Name: "mine", Region: me.Region})
	wantKind(t, "copy by who it is shared with", err, fault.NotFound)
	wantKind(t, "tags by who it is shared with", h.Tag(ctx, you, arn, domain.Tags{"a": ""}), fault.NotFound)
	_, err = h.DeleteImage(ctx, me, "img")
	wantKind(t, "deletion while shared", err, fault.InUse)

	// A permission for nothing is none.
	if err := h.ShareImage(ctx, me, "img", service.ImageShare{Account: you.Account}); err != nil {
		t.Fatal(err)
	}
	wantImages(t, h, you, service.ImageQuery{})
	wantKind(t, "taking back twice", h.UnshareImage(ctx, me, "img", you.Account), fault.NotFound)
	if _, err := h.DeleteImage(ctx, me, "img"); err != nil {
		t.Error(err)
	}
}

func TestShareRefusals(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	if _, err := h.importing(func(in *service.Import) { in.Name = "pending" }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "with the owner", h.ShareImage(ctx, me, "img", fleetOnly(me.Account)), fault.BadValue)
	wantKind(t, "with no account", h.ShareImage(ctx, me, "img", fleetOnly("12")), fault.BadValue)
	wantKind(t, "no image", h.ShareImage(ctx, me, "none", fleetOnly(you.Account)), fault.NotFound)
	wantKind(t, "not available", h.ShareImage(ctx, me, "pending", fleetOnly(you.Account)), fault.NotAvailable)
	if _, err := h.SetQuota(ctx, me.Scope(), domain.QuotaImageShares, new(2)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := h.ShareImage(ctx, me, "img", fleetOnly(fmt.Sprintf("%012d", i))); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "one too many", h.ShareImage(ctx, me, "img", fleetOnly(you.Account)), fault.Quota)
	if err := h.ShareImage(ctx, me, "img", fleetOnly("000000000001")); err != nil {
		t.Errorf("changing one that is there: %v", err)
	}
	page, next, err := h.ImageShares(ctx, me, "img", nil, "", 1)
	if err != nil || len(page) != 1 || next != "000000000000" {
		t.Errorf("first page: %v %q %v", page, next, err)
	}
	page, next, err = h.ImageShares(ctx, me, "img", nil, next, 1)
	if err != nil || len(page) != 1 || next != "" || page[0].Account != "000000000001" {
		t.Errorf("last page: %v %q %v", page, next, err)
	}
	page, _, err = h.ImageShares(ctx, me, "img", []string{you.Account}, "", 0)
	if err != nil || len(page) != 0 {
		t.Errorf("of one account: %v %v", page, err)
	}
}

// public puts one image into the catalogue.
func (h *house) public(name string) {
	h.t.Helper()
	if err := h.SyncCatalogue(ctx, []service.PublicImage{{Name: name}}); err != nil {
		h.t.Fatal(err)
	}
}

func TestImagesArePagedAcrossOwners(t *testing.T) {
	h := newHouse(t, rules.AWS)
	for _, n := range []string{"a", "b", "c"} {
		h.available(n)
		if err := h.ShareImage(ctx, me, n, fleetOnly(you.Account)); err != nil {
			t.Fatal(err)
		}
	}
	h.public("AppStream-base")
	for _, c := range []struct {
		who  domain.Caller
		want []string
	}{
		{me, []string{"PRIVATE a", "PRIVATE b", "PRIVATE c", "PUBLIC AppStream-base"}},
		{you, []string{"SHARED a", "SHARED b", "SHARED c", "PUBLIC AppStream-base"}},
	} {
		for size := 1; size < 6; size++ {
			var got []string
			for after, pages := "", 0; pages < 6; pages++ {
				imgs, next, err := h.Images(ctx, c.who, service.ImageQuery{After: after, Limit: size})
				if err != nil || len(imgs) > size {
					t.Fatal(len(imgs), err)
				}
				got = append(got, names(imgs)...)
				if after = next; next == "" {
					break
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("pages of %d for %s: %v, want %v", size, c.who.Account, got, c.want)
			}
		}
	}
	wantImages(t, h, you, service.ImageQuery{Names: []string{"AppStream-base"}}, "PUBLIC AppStream-base")
	wantImages(t, h, you, service.ImageQuery{ARNs: []string{"arn:aws:appstream:us-east-1::image/AppStream-base"}}, "PUBLIC AppStream-base")
	wantImages(t, h, you, service.ImageQuery{Type: "PUBLIC"}, "PUBLIC AppStream-base")
}

func TestCopyImage(t *testing.T) {
	h := newHouse(t, rules.AWS)
	src := h.available("img")
	if err := h.Tag(ctx, me, domain.ImageARN(src.Key), domain.Tags{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	if err := h.ShareImage(ctx, me, "img", fleetOnly(you.Account)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.importing(func(in *service.Import) { in.Name = "pending" }); err != nil {
		t.Fatal(err)
	}
	to := service.ImageCopy{Source: "img", Name: "copy", Region: "eu-central-1", Description: "other words"}
	for _, c := range []struct {
		name   string
		change func(*service.ImageCopy)
		kind   fault.Kind
	}{
		{"no source", func(in *service.ImageCopy) { in.Source = "none" }, fault.NotFound},
		{"source not available", func(in *service.ImageCopy) { in.Source = "pending" }, fault.NotAvailable},
		{"no such Region", func(in *service.ImageCopy) { in.Region = "eu-centrall-1" }, fault.BadValue},
		{"name taken", func(in *service.ImageCopy) { in.Region, in.Name = me.Region, "img" }, fault.Exists},
		{"reserved name", func(in *service.ImageCopy) { in.Name = "amazon-x" }, fault.BadValue},
	} {
		in := to
		c.change(&in)
		_, err := h.CopyImage(ctx, me, in)
		wantKind(t, c.name, err, c.kind)
	}
	img, err := h.CopyImage(ctx, me, to)
	if err != nil {
		t.Fatal(err)
	}
	if img.State != domain.ImageCopying || img.Key.Region != "eu-central-1" || img.Disk != src.Disk || len(img.Tags)+len(img.Shares) != 0 ||
		img.Description != "other words" || img.Platform != src.Platform || img.Visibility != "PRIVATE" {
		t.Errorf("copy: %+v", img)
	}
	there := me
	there.Region = "eu-central-1"
	_, err = h.DeleteImage(ctx, there, "copy")
	wantKind(t, "deletion while copying", err, fault.WrongState)
	to.Name = "second"
	if _, err := h.CopyImage(ctx, me, to); err != nil {
		t.Fatal(err)
	}
	to.Name = "third"
	_, err = h.CopyImage(ctx, me, to)
	wantKind(t, "a third copy at once", err, fault.Quota)
	to.Region = "eu-west-1"
	if _, err := h.CopyImage(ctx, me, to); err != nil {
		t.Errorf("another destination: %v", err)
	}
	jobs, err := h.Jobs(ctx, 100, true)
	n := 0
	for _, j := range jobs {
		if j.Workflow == domain.FlowImageCopy {
			n++
		}
	}
	if err != nil || n != 3 {
		t.Errorf("%d copies planted: %v", n, err)
	}
}
