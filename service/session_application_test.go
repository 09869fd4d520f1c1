package service_test

import (
	"strings"
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

// catalogued puts applications on the image of the fleet's instances.
func (h *house) catalogued(instances []domain.Key, apps ...domain.Application) {
	h.t.Helper()
	h.must(h.Store.Update(h.t.Context(), func(tx store.Tx) error {
		img, key := new(domain.Image), me.Key(domain.KindImage, "img")
		if err := tx.Get(key, img); err != nil {
			return err
		}
		img.Catalog = apps
		for _, k := range instances {
			i := new(domain.FleetInstance)
			if err := tx.Get(k, i); err != nil {
				return err
			}
			i.Image = key
			if err := tx.Put(i); err != nil {
				return err
			}
		}
		return tx.Put(img)
	}))
}

// TestApplicationsAreThoseOfTheInstance: the catalogue is that of the image that
// the session's machine was made from; what was started in it last is kept.
func TestApplicationsAreThoseOfTheInstance(t *testing.T) {
	h, _, instances := served(t, 1, nil)
	key := h.opened("u").Session.Key
	if list, err := h.SessionApplications(t.Context(), key); err != nil || len(list) != 0 {
		t.Errorf("of an image without a catalogue: %+v, %v", list, err)
	}
	h.catalogued(instances, domain.Application{Name: "a", DisplayName: "A", Path: "/a"}, domain.Application{Name: "b", Icon: strings.Repeat("ab", 32)})
	list, err := h.SessionApplications(t.Context(), key)
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[0].IconURL != "" || list[1].Name != "b" {
		t.Errorf("%+v, %v", list, err)
	}
	h.must(h.SessionLaunched(t.Context(), key, "a"))
	if n, err := h.SessionNow(t.Context(), key); err != nil || n.Launched != "a" {
		t.Errorf("%+v, %v", n, err)
	}
	h.must(h.EndSession(t.Context(), key))
	_, err = h.SessionApplications(t.Context(), key)
	h.wants("of a session that has ended", err, fault.NotFound, "has ended")
	h.wants("started in one that has ended", h.SessionLaunched(t.Context(), key, "a"), fault.WrongState, "EXPIRED")
	_, err = h.SessionApplications(t.Context(), me.Key(domain.KindSession, "none"))
	h.wants("of no session", err, fault.NotFound, "has ended")
}

// TestPagesKnowWhatTheyWereOpenedFor: each address its own application, also when
// the user has a session already.
func TestPagesKnowWhatTheyWereOpenedFor(t *testing.T) {
	h, _, instances := served(t, 1, func(in *service.FleetSpec) { in.StreamView = domain.ViewDesktop })
	h.catalogued(instances, domain.Application{Name: "a", Path: "/a"}, domain.Application{Name: "b", Path: "/b"})
	for _, app := range []string{"a", "b", "Desktop", ""} {
		token, err := h.address("u", func(a *service.SessionAsk) { a.Application = app })
		h.must(err)
		_, page, err := h.OpenAddress(t.Context(), token)
		h.must(err)
		if scr, err := h.Screen(t.Context(), page); err != nil || scr.Application != app {
			t.Errorf("opened for %q: %+v, %v", app, scr, err)
		}
	}
}

// TestFilesMayGoAsTheStackSays: each way for itself, both by default, and at once
// when the stack changes.
func TestFilesMayGoAsTheStackSays(t *testing.T) {
	h, _, _ := served(t, 1, nil)
	token, err := h.address("u", nil)
	h.must(err)
	_, page, err := h.OpenAddress(t.Context(), token)
	h.must(err)
	for _, c := range []struct {
		rules    []domain.UserPermission
		up, down bool
	}{
		{nil, true, true}, {[]domain.UserPermission{{Action: domain.ActionUpload}}, false, true}, {[]domain.UserPermission{{Action: domain.ActionDownload}}, true, false},
		{[]domain.UserPermission{{Action: domain.ActionUpload}, {Action: domain.ActionDownload}}, false, false},
	} {
		h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
			n := new(domain.Stack)
			if err := tx.Get(me.Key(domain.KindStack, "s"), n); err != nil {
				return err
			}
			n.Permissions = c.rules
			return tx.Put(n)
		}))
		if scr, err := h.Screen(t.Context(), page); err != nil || scr.Upload != c.up || scr.Download != c.down {
			t.Errorf("%+v: upload %v, download %v, %v", c.rules, scr.Upload, scr.Download, err)
		}
	}
}
