package service_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
)

// wound is a clock that tests turn.
type wound struct{ now time.Time }

func (c *wound) Now() time.Time { return c.now }

// streaming is a house with a running builder and a clock of its own.
func streaming(t *testing.T) (*house, *wound) {
	h := newHouse(t, rules.AWS)
	clock := &wound{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: clock, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	h.Store = st
	h.Config.Streaming = &service.Streaming{Base: "https://slipway.example.com/_slipway/stream/"}
	h.role("import", goodTrust, goodPolicy)
	h.sealed("snap-0000000000000000a", 1, "windows")
	h.ami = h.register(domain.AMI{Label: "good"})
	h.available("img")
	h.built("b", domain.BuilderReady)
	return h, clock
}

// token asks for an address and takes it apart.
func (h *house) token(name string, seconds *int64) string {
	h.t.Helper()
	address, _, err := h.BuilderAddress(h.t.Context(), me, name, seconds)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host != "slipway.example.com" || u.Path != "/_slipway/stream/" {
		h.t.Fatal(address, err)
	}
	return u.Query().Get(service.StreamToken)
}

// TestStreamingAddressIsTheOwners: a builder of another account, or another
// Region, is not there.
func TestStreamingAddressIsTheOwners(t *testing.T) {
	h, _ := streaming(t)
	for _, c := range []domain.Caller{{Account: "210987654321", Region: me.Region}, {Account: me.Account, Region: "eu-west-1"}} {
		if _, _, err := h.BuilderAddress(t.Context(), c, "b", nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s in %s: %v", c.Account, c.Region, err)
		}
	}
}

func TestStreamingAddressValidity(t *testing.T) {
	h, clock := streaming(t)
	for _, c := range []struct {
		seconds *int64
		want    time.Duration // 0: refused
	}{
		{nil, time.Hour}, {new(int64(1)), time.Second}, {new(int64(604800)), 7 * 24 * time.Hour},
		{new(int64(0)), 0}, {new(int64(-5)), 0}, {new(int64(604801)), 0},
	} {
		_, expires, err := h.BuilderAddress(t.Context(), me, "b", c.seconds)
		if c.want == 0 {
			if !fault.Is(err, fault.BadValue) || !strings.Contains(fault.Public(err), "from 1 to 604800") {
				t.Errorf("%d: %v", *c.seconds, err)
			}
		} else if err != nil || expires.Sub(clock.now) != c.want {
			t.Errorf("want %s: %s, %v", c.want, expires.Sub(clock.now), err)
		}
	}
}

// TestStreamingAddressNeedsARunningBuilder: RUNNING is the one state with a
// screen, for the address and for whoever opens it later.
func TestStreamingAddressNeedsARunningBuilder(t *testing.T) {
	h, _ := streaming(t)
	token := h.token("b", nil)
	_, page, err := h.OpenAddress(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.StopBuilder(t.Context(), me, "b")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(kind fault.Kind, words string) {
		t.Helper()
		_, _, opened := h.OpenAddress(t.Context(), token)
		_, looked := h.Screen(t.Context(), page)
		for _, err := range []error{opened, looked} {
			if !fault.Is(err, kind) || !strings.Contains(fault.Public(err), words) {
				t.Errorf("%s: %v", words, err)
			}
		}
	}
	if _, _, err := h.BuilderAddress(t.Context(), me, "b", nil); !fault.Is(err, fault.WrongState) || !strings.Contains(fault.Public(err), "is STOPPING") {
		t.Errorf("an address while it stops: %v", err)
	}
	refused(fault.WrongState, "is STOPPING")
	h.event(b.Key, domain.BuilderOff)
	refused(fault.WrongState, "is STOPPED")
	if _, err := h.DeleteBuilder(t.Context(), me, "b"); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Delete(b.Key) }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.BuilderAddress(t.Context(), me, "b", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("an address of no builder: %v", err)
	}
	refused(fault.NotFound, "does not exist any more")
	h.built("b", domain.BuilderReady) // another machine of the same name
	refused(fault.NotFound, "does not exist any more")
}

// TestTicketsOpenOneScreen: what is unknown, changed, swapped or past its time
// opens nothing, and a page's token opens no page.
func TestTicketsOpenOneScreen(t *testing.T) {
	h, clock := streaming(t)
	h.built("other", domain.BuilderReady)
	token, second := h.token("b", new(int64(600))), h.token("other", new(int64(600)))
	scr, page, err := h.OpenAddress(t.Context(), token)
	if err != nil || scr.Title != "b" || scr.Ticket.User != me.ARN || scr.Ticket.Subject != me.Key(domain.KindBuilder, "b") || !scr.Until.Equal(clock.now.Add(domain.PageLife)) {
		t.Fatalf("%+v, %v", scr, err)
	}
	name, secret, _ := strings.Cut(token, ".")
	otherName, otherSecret, _ := strings.Cut(second, ".")
	bad := map[string]string{
		"empty": "", "no secret": name, "no secret after the dot": name + ".", "cut": token[:len(token)-1], "longer": token + "0",
		"secret of another": name + "." + otherSecret, "name of another": otherName + "." + secret, "a page's": page,
		"huge": name + "." + strings.Repeat("0", 1<<20), "a digest's": name + "." + strings.Repeat("\x00", 32), "upper case": strings.ToUpper(token),
	}
	for what, token := range bad {
		if scr, _, err := h.OpenAddress(t.Context(), token); scr != nil || !fault.Is(err, fault.Denied) || !strings.Contains(fault.Public(err), "not valid") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, token := range []string{token, "", page + "0"} {
		if scr, err := h.Screen(t.Context(), token); scr != nil || !fault.Is(err, fault.Denied) {
			t.Errorf("looked with %q: %v", token, err)
		}
	}
	if _, again, err := h.OpenAddress(t.Context(), token); err != nil || again == page {
		t.Errorf("opened again before it expires: %v", err)
	}
	clock.now = clock.now.Add(10 * time.Minute)
	if _, _, err := h.OpenAddress(t.Context(), token); !fault.Is(err, fault.Denied) || !strings.Contains(fault.Public(err), "has expired") {
		t.Errorf("opened too late: %v", err)
	}
	if _, err := h.Screen(t.Context(), page); err != nil {
		t.Errorf("a page outlives its address: %v", err)
	}
	clock.now = clock.now.Add(domain.PageLife)
	if _, err := h.Screen(t.Context(), page); !fault.Is(err, fault.Denied) || !strings.Contains(fault.Public(err), "has expired") {
		t.Errorf("a page that is past its time: %v", err)
	}
}

// TestTicketsAreKeptAsHashesAndSwept: nothing in the store opens a page, and
// what ended goes as new ones come.
func TestTicketsAreKeptAsHashesAndSwept(t *testing.T) {
	h, clock := streaming(t)
	token := h.token("b", nil)
	_, page, err := h.OpenAddress(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	tickets := func() (list []*domain.Ticket) {
		err := h.Store.View(t.Context(), func(tx store.Tx) (err error) {
			list, err = store.List[domain.Ticket](tx, store.Query{Kind: domain.KindTicket})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, k := range tickets() {
		for _, token := range []string{token, page} {
			if _, secret, _ := strings.Cut(token, "."); strings.Contains(k.Key.Name+k.Page+string(k.Hash), secret) {
				t.Error("a secret is kept")
			}
		}
	}
	for range 40 {
		h.token("b", nil)
	}
	clock.now = clock.now.Add(24 * time.Hour)
	for range 10 {
		token = h.token("b", nil)
	}
	if n := len(tickets()); n != 10 {
		t.Errorf("%d tickets are left of 10 that are good", n)
	}
	for range domain.PagesPerTicket {
		if _, _, err := h.OpenAddress(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.OpenAddress(t.Context(), token); !fault.Is(err, fault.Quota) {
		t.Errorf("opened without bound: %v", err)
	}
	h.Config.Streaming = nil
	if _, _, err := h.BuilderAddress(t.Context(), me, "b", nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("without pages: %v", err)
	}
}
