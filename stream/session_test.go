package stream_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/domain"
	"slipway/service"
	"slipway/stream"
)

// book is what the pages tell of sessions.
type book struct {
	mu   sync.Mutex
	has  string // the connection that has the session
	left int    // connections that were given back
	used int
}

func (b *book) SessionConnected(_ context.Context, _ domain.Key, link string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.has = link
	return nil
}

func (b *book) SessionDisconnected(_ context.Context, _ domain.Key, link string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left++
	if b.has == link {
		b.has = ""
	}
	return nil
}

func (b *book) SessionActive(context.Context, domain.Key, string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used++
	return nil
}

// sitInSession is a desk whose screen is that of a user's session.
func sitInSession(t *testing.T) (*desk, *book) {
	b := &book{}
	d := sit(t, func(c *stream.Config) { c.Look, c.Sessions = 10*time.Millisecond, b })
	d.session(b, nil)
	return d, b
}

// session keeps the screen's session as the book has it, and changes it.
func (d *desk) session(b *book, change func(*service.SessionNow)) {
	b.mu.Lock()
	now := &service.SessionNow{Session: &domain.Session{}, Link: b.has}
	b.mu.Unlock()
	now.Key = domain.Key{Kind: domain.KindSession, Name: "s"}
	if change != nil {
		change(now)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	scr := *d.screens[page]
	scr.Session = now
	d.screens[page] = &scr
}

func (b *book) holder() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.has
}

// TestUsersWhoDoNothingAreDisconnected, and the session knows that it waits.
func TestUsersWhoDoNothingAreDisconnected(t *testing.T) {
	d, b := sitInSession(t)
	b.has = "" // nobody yet
	d.mu.Lock()
	d.screens[page].Session.Link = "bbbb-1" // the name of the first connection
	d.mu.Unlock()
	c := d.viewer()
	d.until("the session is connected", func() bool { return b.holder() == "bbbb-1" })
	d.session(b, func(n *service.SessionNow) { n.IdleOver = true })
	if e := ended(t, c); e.Code != 4001 || !strings.Contains(e.Reason, "keyboard and mouse") {
		t.Errorf("%v", e)
	}
	d.until("the session is given back", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.left == 1 && b.has == "" })
}

// TestTheLastConnectionHasTheSession.
func TestTheLastConnectionHasTheSession(t *testing.T) {
	d, b := sitInSession(t)
	d.mu.Lock()
	d.screens[page].Session.Link = "bbbb-1"
	d.mu.Unlock()
	first := d.viewer()
	d.until("the session is connected", func() bool { return b.holder() == "bbbb-1" })
	d.session(b, func(n *service.SessionNow) { n.Link = "bbbb-2" })
	if e := ended(t, first); e.Code != 4001 || !strings.Contains(e.Reason, "another window") {
		t.Errorf("%v", e)
	}
}

// TestSessionThatIsPrepared has no screen yet: the page comes again.
func TestSessionThatIsPrepared(t *testing.T) {
	d, b := sitInSession(t)
	d.mu.Lock()
	d.screens[page].Machine = ""
	d.mu.Unlock()
	if _, res, err := d.dial(); err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%v %v", res, err)
	}
	if b.holder() != "" {
		t.Error("a connection has the session")
	}
}
