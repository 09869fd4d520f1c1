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

func TestCatalogueIsWhatTheFileSays(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	sync := func(file string) error {
		t.Helper()
		c, err := service.ReadCatalogue(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return h.SyncCatalogue(ctx, c)
	}
	if err := sync(`{"images":[{"name":"AppStream-WinServer2022-01","platform":"WINDOWS_SERVER_2022","released":"2026-01-02T00:00:00Z"},{"name":"Old","disk":"sd1-snap-0000000000000000a"}]}`); err != nil {
		t.Fatal(err)
	}
	other := domain.Caller{Account: "210987654321", Region: "eu-west-1"}
	for _, c := range []domain.Caller{me, other} {
		imgs, _, err := h.Images(ctx, c, service.ImageQuery{Type: "PUBLIC"})
		if err != nil || len(imgs) != 2 {
			t.Fatalf("%s sees %d public images: %v", c.Account, len(imgs), err)
		}
		arn := "arn:aws:appstream:" + c.Region + "::image/AppStream-WinServer2022-01"
		if got := domain.ImageARN(imgs[0].Key); got != arn {
			t.Errorf("ARN %s, want %s", got, arn)
		}
		byARN, _, err := h.Images(ctx, c, service.ImageQuery{ARNs: []string{arn}})
		if err != nil || len(byARN) != 1 || byARN[0].State != domain.ImageAvailable || byARN[0].Released == nil {
			t.Errorf("by ARN: %+v %v", byARN, err)
		}
		byName, _, err := h.Images(ctx, c, service.ImageQuery{Names: []string{"Old"}})
		if err != nil || len(byName) != 1 || byName[0].Visibility != domain.VisibilityPublic {
			t.Errorf("by name: %+v %v", byName, err)
		}
		if _, err := h.DeleteImage(ctx, c, "Old"); !fault.Is(err, fault.NotFound) {
			t.Errorf("deleting a public image: %v", err)
		}
	}
	if err := sync(`{"images":[{"name":"AppStream-WinServer2022-01","display_name":"New words"}]}`); err != nil {
		t.Fatal(err)
	}
	imgs, _, err := h.Images(ctx, me, service.ImageQuery{Type: "PUBLIC"})
	if err != nil || len(imgs) != 1 || imgs[0].DisplayName != "New words" {
		t.Fatalf("after the change: %+v %v", imgs, err)
	}
	if err := sync(`{"images":[{"name":"x","disk":"sd1-none"}]}`); !fault.Is(err, fault.NotFound) {
		t.Errorf("a disk that is not there: %v", err)
	}
	apps, err := service.ReadCatalogue(strings.NewReader(`{"images":[{"name":"x","applications":[{"name":"a","display_name":"A","path":"C:\\a.exe","parameters":"-x"}]}]}`))
	if err != nil || len(apps[0].Applications) != 1 || apps[0].Applications[0] != (domain.Application{Name: "a", DisplayName: "A", Path: `C:\a.exe`, Parameters: "-x"}) {
		t.Errorf("applications: %+v, %v", apps, err)
	}
	for _, bad := range []string{`{"images":[{"nam":"x"}]}`, `{"images":[{"name":"x","applications":[{"name":"a"}]}]}`,
		`{"images":[{"name":"x","applications":[{"name":"a","path":"/a"},{"name":"A","path":"/b"}]}]}`, `{"images":[{"name":"a"},{"name":"a"}]}`, `[]`} {
		if _, err := service.ReadCatalogue(strings.NewReader(bad)); !fault.Is(err, fault.BadValue) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestPublishingHoldsTheDisk(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	h.available("mine")
	for _, p := range []service.Publication{{Name: "Base", Image: "mine"}, {Name: "Raw", AMI: h.ami}} {
		img, err := h.PublishImage(ctx, me, p)
		if err != nil || img.Disk == "" {
			t.Fatalf("%+v: %v", p, err)
		}
		err = h.Store.View(ctx, func(tx store.Tx) error {
			users, err := tx.Referrers(domain.DiskKey(img.Disk), domain.KindImage)
			if err == nil && len(users) < 2 {
				t.Errorf("%s does not hold its disk: %v", p.Name, users)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.available("img")
	h.image(func(n *domain.Image) {
		n.AgentVersion, n.AgentPolicy, n.DynamicCatalog, n.Software = "v1", domain.AgentAlways, true, []string{"Microsoft_Project_2021_Standard_64Bit"}
	})
	img, err := h.PublishImage(ctx, me, service.Publication{Name: "Full", Image: "img"})
	if err != nil || img.AgentVersion != "v1" || img.AgentPolicy != domain.AgentAlways || !img.DynamicCatalog || len(img.Software) != 1 {
		t.Errorf("what was on the disk is not told any more: %+v, %v", img, err)
	}
	if err := h.WithdrawImage(ctx, "Base"); err != nil {
		t.Fatal(err)
	}
	if err := h.WithdrawImage(ctx, "Base"); !fault.Is(err, fault.NotFound) {
		t.Errorf("twice: %v", err)
	}
	if _, err := h.PublishImage(ctx, me, service.Publication{Name: "x"}); !fault.Is(err, fault.BadCombination) {
		t.Errorf("nothing to publish: %v", err)
	}
}
