package service_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

const inside, elsewhere = "vpce-1", "vpce-2"

func behind(ids ...string) (out []domain.AccessEndpoint) {
	for _, id := range ids {
		out = append(out, domain.AccessEndpoint{Type: "STREAMING", VPCE: id})
	}
	return out
}

// TestAccessEndpointsAreTheOnlyWay: what names endpoints is looked at through
// those, whatever page was opened before; what names none through none.
func TestAccessEndpointsAreTheOnlyWay(t *testing.T) {
	h, clock, _ := served(t, 2, nil)
	at := map[string]string{inside: "https://inside.example.com/_slipway/stream/", elsewhere: "https://elsewhere.example.com/_slipway/stream/"}
	h.Config.Streaming.Endpoints = at
	set := func(ids ...string) {
		t.Helper()
		u := service.StackUpdate{Endpoints: behind(ids...)}
		if len(ids) == 0 {
			u.Drop = []string{"ACCESS_ENDPOINTS"}
		}
		_, err := h.UpdateStack(t.Context(), me, "s", u)
		h.must(err)
	}
	ask := func() (base, token string, err error) {
		a, _, err := h.SessionAddress(t.Context(), me, service.SessionAsk{Stack: "s", Fleet: "f", User: "u"})
		u, e := url.Parse(a)
		h.must(e)
		return strings.TrimSuffix(a, "?"+u.RawQuery), u.Query().Get(service.StreamToken), err
	}
	by := func(id string) context.Context { return service.Through(t.Context(), id) }
	_, open, err := ask()
	h.must(err)
	_, _, err = h.OpenAddress(by(inside), open)
	h.wants("without endpoints, by one", err, fault.Denied, "not looked at through")
	_, page, err := h.OpenAddress(t.Context(), open)
	h.must(err)

	set(inside, elsewhere)
	_, err = h.Screen(t.Context(), page)
	h.wants("a page that was open before", err, fault.Denied, "only through its access endpoints")
	base, token, err := ask()
	if err != nil || base != at[inside] {
		t.Errorf("its address is at %s, %v", base, err)
	}
	_, _, err = h.OpenAddress(t.Context(), token)
	h.wants("the address by the main way", err, fault.Denied, "only through")
	_, _, err = h.OpenAddress(by("vpce-3"), token)
	h.wants("the address by another endpoint", err, fault.Denied, "only through")
	for _, id := range []string{inside, elsewhere} {
		if _, page, err = h.OpenAddress(by(id), token); err != nil {
			t.Errorf("by %s: %v", id, err)
		}
	}
	_, err = h.Screen(t.Context(), page)
	h.wants("its page by the main way", err, fault.Denied, "only through")
	_, err = h.Screen(by(inside), page)
	h.must(err)

	set("vpce-9")
	_, _, err = ask()
	h.wants("an endpoint that is not here", err, fault.WrongState, "--access-endpoint vpce-9=HOST:PORT")
	clock.now = clock.now.Add(time.Second)

	_, err = h.CreateBuilder(t.Context(), me, service.BuilderSpec{Name: "b2", ImageName: "img", InstanceType: "GeneralPurpose.m7i.large", Endpoints: behind("endpoint")})
	h.wants("an id that is none", err, fault.BadValue, "vpce-")
	token = h.token("b", nil)
	_, page, err = h.OpenAddress(t.Context(), token)
	h.must(err)
	h.must(h.Store.Update(t.Context(), func(tx store.Tx) error {
		b := new(domain.Builder)
		if err := tx.Get(me.Key(domain.KindBuilder, "b"), b); err != nil {
			return err
		}
		b.Endpoints = behind(inside)
		return tx.Put(b)
	}))
	for what, f := range map[string]func(ctx context.Context) error{
		"address": func(ctx context.Context) error { _, _, err := h.OpenAddress(ctx, token); return err },
		"page":    func(ctx context.Context) error { _, err := h.Screen(ctx, page); return err },
		"panel":   func(ctx context.Context) error { _, _, err := h.PageBuilder(ctx, page); return err },
	} {
		h.wants("the builder's "+what, f(t.Context()), fault.Denied, "only through")
		h.must(f(by(inside)))
	}
}

// TestAddressesAreOfOneStackAndFleet: what was made later under their names is
// another.
func TestAddressesAreOfOneStackAndFleet(t *testing.T) {
	for _, again := range []string{"fleet", "stack"} {
		h, clock, _ := served(t, 1, nil)
		token, err := h.address("u", func(a *service.SessionAsk) { a.Seconds = new(int64(600)) })
		h.must(err)
		clock.now = clock.now.Add(time.Second)
		h.must(h.DisassociateFleet(t.Context(), me, "f", "s"))
		switch again {
		case "stack":
			h.must(h.DeleteStack(t.Context(), me, "s"))
			_, err = h.CreateStack(t.Context(), me, "s", domain.Stack{})
		case "fleet":
			h.must(h.StopFleet(t.Context(), me, "f"))
			h.event(me.Key(domain.KindFleet, "f"), domain.FleetEmpty)
			h.must(h.DeleteFleet(t.Context(), me, "f"))
			_, err = h.fleet(nil)
		}
		h.must(err)
		h.must(h.AssociateFleet(t.Context(), me, "f", "s"))
		if again == "fleet" {
			h.started()
		}
		_, _, err = h.OpenAddress(t.Context(), token)
		h.wants("another "+again+" of the name", err, fault.NotFound, "The "+again+" ")
		fresh, err := h.address("u", nil)
		h.must(err)
		if again == "fleet" {
			h.instance(1, domain.InstanceUp)
		}
		_, _, err = h.OpenAddress(t.Context(), fresh)
		h.must(err)
	}
}

// TestStrangersDoNotHoldTheWriter: a token that is good for nothing is refused
// while somebody else writes.
func TestStrangersDoNotHoldTheWriter(t *testing.T) {
	h, _ := streaming(t)
	token := h.token("b", nil)
	_, page, err := h.OpenAddress(t.Context(), token)
	h.must(err)
	h.must(h.Store.Update(t.Context(), func(store.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // it would wait for us
		defer cancel()
		for _, bad := range []string{"", "x", token[:len(token)-1], token + "0", page} {
			_, _, err := h.OpenAddress(ctx, bad)
			h.wants(bad, err, fault.Denied, "not valid")
		}
		return nil
	}))
}
