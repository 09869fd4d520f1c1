package service_test

import (
	"context"
	"fmt"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// available imports an image and moves it where the import job would.
func (h *house) available(name string) *domain.Image {
	h.t.Helper()
	img, err := h.importing(func(in *service.Import) { in.Name = name })
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.Store.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Move(img.Key, domain.ImageImportBegun, "", nil); err != nil {
			return err
		}
		if err := tx.Get(img.Key, img); err != nil {
			return err
		}
		img.Platform = "WINDOWS_SERVER_2022"
		_, err := tx.Move(img.Key, domain.ImageReady, "", img)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return img
}

func TestExportRefusals(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	h.role("untrusting", wrongTrust, goodPolicy)
	h.role("powerless", goodTrust, weakPolicy)
	h.available("ready")
	h.available("busy")
	if _, err := h.importing(func(in *service.Import) { in.Name = "pending" }); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ExportImage(ctx, me, service.ExportSpec{ImageName: "busy", AMIName: "first", RoleARN: roleARN}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		spec service.ExportSpec
		kind fault.Kind
	}{
		{"unknown image, before the role", service.ExportSpec{ImageName: "none", AMIName: "n", RoleARN: "arn:aws:iam::123456789012:role/none"}, fault.NotFound},
		{"image not available", service.ExportSpec{ImageName: "pending", AMIName: "n", RoleARN: roleARN}, fault.NotAvailable},
		{"missing role", service.ExportSpec{ImageName: "ready", AMIName: "n", RoleARN: "arn:aws:iam::123456789012:role/none"}, fault.BadRole},
		{"untrusting role", service.ExportSpec{ImageName: "ready", AMIName: "n", RoleARN: "arn:aws:iam::123456789012:role/untrusting"}, fault.BadRole},
		{"powerless role", service.ExportSpec{ImageName: "ready", AMIName: "n", RoleARN: "arn:aws:iam::123456789012:role/powerless"}, fault.BadRole},
		{"AMI name of an AMI", service.ExportSpec{ImageName: "ready", AMIName: "good", RoleARN: roleARN}, fault.WrongState},
		{"AMI name of another task", service.ExportSpec{ImageName: "ready", AMIName: "first", RoleARN: roleARN}, fault.WrongState},
		{"image that is being exported", service.ExportSpec{ImageName: "busy", AMIName: "n", RoleARN: roleARN}, fault.Busy},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := h.ExportImage(ctx, me, c.spec); fault.KindOf(err) != c.kind {
				t.Errorf("got %v: %s", fault.KindOf(err), fault.Public(err))
			}
		})
	}
	if _, err := h.Export(ctx, me, ""); !fault.Is(err, fault.BadValue) {
		t.Errorf("no task id: %v", err)
	}
	if _, err := h.Export(ctx, me, "8c5b7b6e-0000-4000-8000-000000000000"); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown task id: %v", err)
	}
}

func TestExportsAreFilteredAndPaged(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	for _, n := range []string{"a", "b", "c"} {
		h.available(n)
		if _, err := h.ExportImage(ctx, me, service.ExportSpec{ImageName: n, AMIName: "ami-of-" + n, RoleARN: roleARN}); err != nil {
			t.Fatal(err)
		}
	}
	all, next, err := h.Exports(ctx, me, nil, "", 2)
	if err != nil || len(all) != 2 || next == "" {
		t.Fatalf("first page: %d %q %v", len(all), next, err)
	}
	rest, next, err := h.Exports(ctx, me, nil, next, 2)
	if err != nil || len(rest) != 1 || next != "" {
		t.Fatalf("second page: %d %q %v", len(rest), next, err)
	}
	some, _, err := h.Exports(ctx, me, []service.ExportFilter{
		{Name: "ImageName", Values: []string{"b", "c"}}, {Name: "AmiName", Values: []string{"ami-of-c"}},
	}, "", 50)
	if err != nil || len(some) != 1 || some[0].ImageName != "c" {
		t.Fatalf("filtered: %v %v", some, err)
	}
	if _, _, err := h.Exports(ctx, me, []service.ExportFilter{{Name: "Colour"}}, "", 50); !fault.Is(err, fault.BadValue) {
		t.Fatalf("unknown filter: %v", err)
	}
}

func TestTags(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	img, err := h.importing(nil)
	if err != nil {
		t.Fatal(err)
	}
	arn := domain.ImageARN(img.Key)
	if err := h.Tag(ctx, me, arn, domain.Tags{"a": "1", "b": ""}); err != nil {
		t.Fatal(err)
	}
	if err := h.Untag(ctx, me, arn, []string{"a", "zz"}); err != nil {
		t.Fatal(err)
	}
	got, err := h.Tags(ctx, me, arn)
	if v, ok := got["b"]; err != nil || len(got) != 1 || !ok || v != "" {
		t.Fatalf("tags: %v %v", got, err)
	}
	many := domain.Tags{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = ""
	}
	if err := h.Tag(ctx, me, arn, many); !fault.Is(err, fault.Quota) {
		t.Fatalf("51 tags: %v", err)
	}
	if err := h.Tag(ctx, me, arn+"x", many); !fault.Is(err, fault.NotFound) {
		t.Fatalf("unknown ARN: %v", err)
	}
}
