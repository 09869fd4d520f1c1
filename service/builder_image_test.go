package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// running is a builder whose guest is up.
func (h *house) running(name string) *domain.Builder {
	h.t.Helper()
	return h.built(name, domain.BuilderReady)
}

func (h *house) makeImage(change func(*service.NewImage)) (*domain.Image, error) {
	in := service.NewImage{Builder: "b", Name: "made"}
	if change != nil {
		change(&in)
	}
	return h.CreateImageFromBuilder(context.Background(), me, in)
}

func TestCreateImageFromBuilder(t *testing.T) {
	h := newHouse(t, rules.AWS)
	base := h.available("img")
	b := h.running("b")
	app := domain.Application{Name: "a", Path: `C:\a.exe`, Icon: "forged"}
	if err := h.AddApplication(t.Context(), me, "b", app); err != nil {
		t.Fatal(err)
	}
	if _, err := h.makeImage(func(in *service.NewImage) { in.DryRun = true }); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Image(t.Context(), me, "made"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("a dry run made something: %v", err)
	}
	img, err := h.makeImage(func(in *service.NewImage) {
		in.DisplayName, in.Description, in.LatestAgent, in.DynamicCatalog, in.Tags = "Made", "by hand", true, true, domain.Tags{"k": "v"}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := domain.Image{DisplayName: "Made", Description: "by hand", AgentPolicy: "ALWAYS_LATEST", DynamicCatalog: true, Type: base.Type, Platform: b.Platform,
		Builder: "b", BaseImage: domain.ImageARN(base.Key), Visibility: domain.VisibilityPrivate}
	if img.State != domain.ImagePending || img.DisplayName != want.DisplayName || img.Description != want.Description || img.AgentPolicy != want.AgentPolicy || !img.DynamicCatalog ||
		img.Type != want.Type || img.Platform != want.Platform || img.Builder != want.Builder || img.BaseImage != want.BaseImage || img.Visibility != want.Visibility || img.Tags["k"] != "v" {
		t.Errorf("made: %+v", img)
	}
	if len(img.Catalog) != 1 || img.Catalog[0].Name != "a" || img.Catalog[0].Icon != "" {
		t.Errorf("catalogue: %+v", img.Catalog)
	}
	if b, err = h.Builder(t.Context(), me, "b"); err != nil || b.State != domain.BuilderSnapshotting {
		t.Errorf("the builder: %+v, %v", b, err)
	}
	got, j, err := h.ImageProgress(t.Context(), me, "made")
	if err != nil || got.Key != img.Key || j == nil || j.Workflow != domain.FlowBuilderImage {
		t.Errorf("progress: %+v, %+v, %v", got, j, err)
	}
	if _, err := h.makeImage(func(in *service.NewImage) { in.Name = "second" }); !fault.Is(err, fault.WrongState) {
		t.Errorf("two at once: %v", err)
	}
	// Neither goes while the image is being made.
	if _, err := h.DeleteImage(t.Context(), me, "made"); !fault.Is(err, fault.WrongState) {
		t.Errorf("delete the image: %v", err)
	}
	if _, err := h.DeleteBuilder(t.Context(), me, "b"); !fault.Is(err, fault.WrongState) {
		t.Errorf("delete the builder: %v", err)
	}
}

func TestCreateImageFromBuilderRefuses(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.running("b")
	h.built("stopped", domain.BuilderReady, domain.BuilderAskStop, domain.BuilderOff)
	for name, c := range map[string]struct {
		kind   fault.Kind
		change func(*service.NewImage)
	}{
		"taken":       {fault.Exists, func(in *service.NewImage) { in.Name = "img" }},
		"no name":     {fault.BadValue, func(in *service.NewImage) { in.Name = "" }},
		"bad name":    {fault.BadValue, func(in *service.NewImage) { in.Name = "a b" }},
		"long name":   {fault.BadValue, func(in *service.NewImage) { in.Name = strings.Repeat("a", 101) }},
		"reserved":    {fault.BadValue, func(in *service.NewImage) { in.Name = "AppStream-x" }},
		"no builder":  {fault.NotFound, func(in *service.NewImage) { in.Builder = "none" }},
		"stopped":     {fault.WrongState, func(in *service.NewImage) { in.Builder = "stopped" }},
		"description": {fault.BadValue, func(in *service.NewImage) { in.Description = strings.Repeat("a", 257) }},
		"display":     {fault.BadValue, func(in *service.NewImage) { in.DisplayName = "a\x00" }},
		"tag":         {fault.BadValue, func(in *service.NewImage) { in.Tags = domain.Tags{"aws:x": "y"} }},
	} {
		for _, dry := range []bool{true, false} {
			_, err := h.makeImage(func(in *service.NewImage) { in.DryRun = dry; c.change(in) })
			if !fault.Is(err, c.kind) {
				t.Errorf("%s, dry run %v: %v", name, dry, err)
			}
		}
	}
	if b, err := h.Builder(t.Context(), me, "b"); err != nil || b.State != domain.BuilderRunning {
		t.Errorf("the builder: %+v, %v", b, err)
	}
	zero := 0
	if _, err := h.SetQuota(t.Context(), me.Scope(), domain.QuotaImages, &zero); err != nil {
		t.Fatal(err)
	}
	if _, err := h.makeImage(nil); !fault.Is(err, fault.Quota) {
		t.Errorf("quota: %v", err)
	}
}

func TestCatalogOfBuilder(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	h.running("b")
	h.built("stopped", domain.BuilderReady, domain.BuilderAskStop, domain.BuilderOff)
	add := func(builder, name string) error {
		return h.AddApplication(t.Context(), me, builder, domain.Application{Name: name, Path: "/a"})
	}
	for i := range domain.ApplicationsMax {
		if err := add("b", fmt.Sprint("app", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("b", "more"); !fault.Is(err, fault.Quota) || fault.Public(err) != "Unable to add more than 50 apps to the catalog." {
		t.Errorf("the 51st: %v", err)
	}
	if err := add("b", "APP1"); !fault.Is(err, fault.Exists) || fault.Public(err) != "Name is not unique" {
		t.Errorf("twice: %v", err)
	}
	if err := add("stopped", "a"); !fault.Is(err, fault.WrongState) {
		t.Errorf("stopped: %v", err)
	}
	if err := add("b", "a b"); !fault.Is(err, fault.BadValue) {
		t.Errorf("white space: %v", err)
	}
	if err := h.RemoveApplication(t.Context(), me, "b", "app7"); err != nil {
		t.Error(err)
	}
	if err := h.RemoveApplication(t.Context(), me, "b", "app7"); !fault.Is(err, fault.NotFound) || fault.Public(err) != "App not found" {
		t.Errorf("removed: %v", err)
	}
	list, err := h.Applications(t.Context(), me, "b")
	if err != nil || len(list) != 49 || list[7].Name != "app8" {
		t.Errorf("%d, %v", len(list), err)
	}
}
