package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

const (
	project = "Microsoft_Project_2021_Standard_64Bit"
	visio   = "Microsoft_Visio_2021_LTSC_Standard_64Bit"
)

// software lists what a builder or image has, as "name state".
func (h *house) software(arn string) (out []string) {
	h.t.Helper()
	all, _, err := h.SoftwareAssociations(h.t.Context(), me, service.SoftwareQuery{ARN: arn})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, n := range all {
		out = append(out, fmt.Sprint(n.Name, " ", n.State))
	}
	return out
}

func TestSoftware(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	b := h.built("b", domain.BuilderReady)
	arn, ctx := domain.BuilderARN(b.Key), t.Context()
	want := func(what string, err error, kind fault.Kind, words string) {
		t.Helper()
		if !fault.Is(err, kind) || !strings.Contains(fault.Public(err), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ok := func(err error, list ...string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if have := h.software(arn); !slices.Equal(have, list) {
			t.Fatalf("%q", have)
		}
	}
	want("nothing", h.AssociateSoftware(ctx, me, "b", nil), fault.BadCombination, "SoftwareNames")
	want("unknown software", h.AssociateSoftware(ctx, me, "b", []string{project, "Microsoft_Paint"}), fault.BadValue, "Microsoft_Paint")
	want("unknown builder", h.AssociateSoftware(ctx, me, "c", []string{project}), fault.NotFound, "image builder c")
	want("not associated", h.DisassociateSoftware(ctx, me, "b", []string{project}), fault.NotFound, "is not associated")
	want("nothing to deploy", h.DeploySoftware(ctx, me, "b", true), fault.WrongState, "No software")
	ok(h.AssociateSoftware(ctx, me, "b", []string{project, visio, project}), project+" STAGED_FOR_INSTALLATION", visio+" STAGED_FOR_INSTALLATION")
	ok(h.DisassociateSoftware(ctx, me, "b", []string{visio}), project+" STAGED_FOR_INSTALLATION")
	ok(h.DeploySoftware(ctx, me, "b", false), project+" PENDING_INSTALLATION")
	if now, err := h.Builder(ctx, me, "b"); err != nil || now.State != domain.BuilderPendingSyncingApps {
		t.Fatalf("%+v, %v", now, err)
	}
	want("while it deploys", h.DisassociateSoftware(ctx, me, "b", []string{project}), fault.WrongState, "PENDING_SYNCING_APPS")
	want("twice", h.DeploySoftware(ctx, me, "b", false), fault.WrongState, "PENDING_SYNCING_APPS")
	key := domain.SoftwareKey(b, project)
	h.event(key, domain.SoftwareBroke)
	h.event(b.Key, domain.BuilderSyncBegun, domain.BuilderReady)
	want("failed and not to be tried again", h.DeploySoftware(ctx, me, "b", false), fault.WrongState, "RetryFailedDeployments")
	ok(h.DeploySoftware(ctx, me, "b", true), project+" PENDING_INSTALLATION")
	h.event(key, domain.SoftwareDone)
	h.event(b.Key, domain.BuilderReady)
	ok(h.DisassociateSoftware(ctx, me, "b", []string{project}), project+" STAGED_FOR_UNINSTALLATION")
	ok(h.AssociateSoftware(ctx, me, "b", []string{project}), project+" INSTALLED")

	// An image made of the builder has what is installed, and so has a builder of it.
	img, err := h.CreateImageFromBuilder(ctx, me, service.NewImage{Builder: "b", Name: "made"})
	if err != nil || !slices.Equal(img.Software, []string{project}) {
		t.Fatalf("%+v, %v", img, err)
	}
	h.event(img.Key, domain.ImageReady)
	h.Host = small{domain.HostRoom{Pretend: true}} // the image got no disk here
	if have := h.software(domain.ImageARN(img.Key)); !slices.Equal(have, []string{project + " INSTALLED"}) {
		t.Errorf("the image has %q", have)
	}
	_, err = h.building(func(in *service.BuilderSpec) {
		in.Name, in.ImageName, in.Install, in.Uninstall = "next", "made", []string{visio}, []string{project}
	})
	if err != nil {
		t.Fatal(err)
	}
	if have := h.software(domain.BuilderARN(me.Key(domain.KindBuilder, "next"))); !slices.Equal(have, []string{project + " PENDING_UNINSTALLATION", visio + " PENDING_INSTALLATION"}) {
		t.Errorf("the next builder has %q", have)
	}
	page, next, err := h.SoftwareAssociations(ctx, me, service.SoftwareQuery{ARN: domain.BuilderARN(me.Key(domain.KindBuilder, "next")), Limit: 1})
	if err != nil || len(page) != 1 || next != project {
		t.Errorf("%v, %q, %v", page, next, err)
	}
	for _, arn := range []string{"x", "arn:aws:appstream:us-east-1:210987654321:image-builder/b", "arn:aws:appstream:us-east-1:123456789012:fleet/b"} {
		_, _, err := h.SoftwareAssociations(ctx, me, service.SoftwareQuery{ARN: arn})
		want(arn, err, fault.NotFound, "")
	}
}

func TestSoftwareOfOtherSystems(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	b := h.built("b", domain.BuilderReady)
	err := h.Store.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Get(b.Key, b); err != nil {
			return err
		}
		b.Platform = "ROCKY_LINUX8"
		return tx.Put(b)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.AssociateSoftware(t.Context(), me, "b", []string{project}); !fault.Is(err, fault.Incompatible) {
		t.Errorf("%v", err)
	}
	h.Config.Installers, err = domain.Instances().ReadInstallers(strings.NewReader(
		`{"software": [{"name": "`+project+`", "platform": "linux", "install": "true", "detect": "true"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.AssociateSoftware(t.Context(), me, "b", []string{project}); err != nil {
		t.Errorf("with an installer: %v", err)
	}
}
