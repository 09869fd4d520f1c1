package stream_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"slipway/domain"
	"slipway/service"
	"slipway/stream"
)

// used makes the page one of a user's session.
func (d *desk) used(change func(*service.Screen)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := *d.screens[page]
	if now.Session == nil {
		x := &domain.Session{Idle: 5 * time.Minute}
		x.Key = domain.Key{Kind: domain.KindSession, Name: "s"}
		now.Session = &service.SessionNow{Session: x}
	} else {
		session := *now.Session
		now.Session = &session
	}
	if change != nil {
		change(&now)
	}
	d.screens[page] = &now
}

func (d *desk) heard(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.told, what)
}

// TestSessionIsToldOfItsUser: connected, active when keys come, disconnected.
func TestSessionIsToldOfItsUser(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.Look = 10 * time.Millisecond })
	d.used(nil)
	c := d.viewer()
	if !d.heard("connected s") {
		t.Error("connected without a word")
	}
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("RFB 003.008\n\x01\x01\x04\x01\x00\x00\x00\x00\x00a")); err != nil {
		t.Fatal(err)
	}
	d.until("its activity is told", func() bool { return d.heard("active s") })
	if err := c.CloseNow(); err != nil {
		t.Fatal(err)
	}
	d.until("its end is told", func() bool { return d.heard("disconnected s") })
}

// TestTimeToStream: it is from the beginning of the session, of its first
// connection alone, and not of a builder's screen.
func TestTimeToStream(t *testing.T) {
	took := make(chan time.Duration, 10)
	began := time.Now()
	d := sit(t, func(c *stream.Config) {
		c.Streamed = func(d time.Duration) { took <- d }
		c.Now = func() time.Time { return began.Add(90 * time.Second) }
	})
	look := func() {
		c := d.viewer()
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte("RFB 003.008\n\x01\x01\x03\x00\x00\x00\x00\x00\x00\x08\x00\x08")); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 8*8*4; {
			kind, b, err := c.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if kind == websocket.MessageBinary {
				got += len(b)
			}
		}
		_ = c.CloseNow()
		d.until("it has left", func() bool { return d.srv.Viewers()["connected"] == 0 })
	}
	look()
	d.used(func(s *service.Screen) { s.Session.Started = began.Add(time.Minute) })
	look()
	d.used(func(s *service.Screen) { x := *s.Session.Session; x.Epoch = 1; s.Session.Session = &x })
	look()
	if n := len(took); n != 1 || <-took != 30*time.Second {
		t.Errorf("%d times told", n)
	}
}

// TestSessionLimits: each closes the connection with a reason of its own; the
// idle limit is announced.
func TestSessionLimits(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.Look = 10 * time.Millisecond })
	d.used(nil)
	c := d.viewer()
	d.used(func(s *service.Screen) { s.Session.IdleSoon = true })
	for warned := false; !warned; {
		_, b, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		warned = strings.Contains(string(b), `"idle":{"soon":true`)
	}
	d.used(func(s *service.Screen) { s.Session.IdleOver = true })
	if e := ended(t, c); e.Code != 4006 || !strings.Contains(e.Reason, "did nothing for 5m") {
		t.Errorf("idle: %v", e)
	}
	d.used(func(s *service.Screen) { s.Session.IdleSoon, s.Session.IdleOver = false, false })
	c = d.viewer()
	second := d.viewer() // the same page in another window
	if e := ended(t, c); e.Code != 4005 {
		t.Errorf("taken over: %v", e)
	}
	d.used(func(s *service.Screen) { s.Session.Link = "another's" })
	if e := ended(t, second); e.Code != 4005 {
		t.Errorf("taken over by another page: %v", e)
	}
}

// TestSessionWaitsForItsMachine: no display is asked for before there is one.
func TestSessionWaitsForItsMachine(t *testing.T) {
	d := sit(t, nil)
	d.used(func(s *service.Screen) { s.Machine = "" })
	if res := d.get("/_slipway/stream/p/bbbb/status", page); res.StatusCode != 200 || !strings.Contains(body(res), `"waiting":true`) {
		t.Errorf("status: %s", res.Status)
	}
	if _, res, err := d.dial(); err == nil || res == nil || res.StatusCode != http.StatusConflict {
		t.Errorf("connected: %v", err)
	}
	if d.heard("connected s") {
		t.Error("the session was told of a connection")
	}
}

// TestSessionIsEndedByItsUserAlone: by the page, with its cookie, from our own
// origin.
func TestSessionIsEndedByItsUserAlone(t *testing.T) {
	d := sit(t, nil)
	post := func(token, origin string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", d.http.URL+"/_slipway/stream/p/bbbb/end", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "slipway-page="+token)
		r.Header.Set("Origin", origin)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if n := post(page, d.http.URL); n != http.StatusNotImplemented {
		t.Errorf("a builder's screen was ended: %d", n)
	}
	d.used(nil)
	if a, b, c := post(page, "https://evil.example.com"), post(page, ""), post("cccc.secret", d.http.URL); a != 403 || b != 403 || c != 403 || d.heard("ended s") {
		t.Errorf("ended by others: %d, %d, %d", a, b, c)
	}
	if n := post(page, d.http.URL); n != 200 || !d.heard("ended s") {
		t.Errorf("by its user: %d", n)
	}
}

// TestStackRules: what a stack says holds at the gateway: who may frame the
// page, and where its user is sent.
func TestStackRules(t *testing.T) {
	d := sit(t, nil)
	if d.get("/_slipway/stream/assets/app.js", "").StatusCode != 200 {
		t.Skip("the client is not built: `make web` (make test builds it)")
	}
	d.used(func(s *service.Screen) {
		s.Embedders = []string{"portal.example.com", "*.example.org", "xn--e1afmkfd.xn--p1ai", "evil.example.com; script-src *", "'self'", "https://x.example.com"}
		s.Redirect, s.Feedback = "javascript:alert(1)", "https://example.com/feedback?a=b"
	})
	res := d.get("/_slipway/stream/p/bbbb/", page)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors portal.example.com *.example.org xn--e1afmkfd.xn--p1ai") || strings.Contains(csp, "evil") || res.Header.Get("X-Frame-Options") != "" {
		t.Errorf("policy: %s", csp)
	}
	c := d.viewer()
	for {
		kind, b, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if kind == websocket.MessageText {
			if s := string(b); strings.Contains(s, "javascript") || !strings.Contains(s, `"feedback":"https://example.com/feedback?a=b"`) {
				t.Errorf("hello: %s", s)
			}
			break
		}
	}
}

// TestBodiesThatNeverCome: whoever says that more will come is not waited for,
// whether the rest would have been read or not.
func TestBodiesThatNeverCome(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.Body, c.Assistant = 50*time.Millisecond, &helper{} })
	d.used(nil)
	at := "/_slipway/stream/p/bbbb/"
	for _, line := range []string{"POST " + at + "assistant/applications", "POST " + at + "end", "PUT " + at + "files/put/x", "POST " + at + "launch", "GET " + at, "POST /_slipway/stream/else", "DELETE " + at + "socket"} {
		for _, cookie := range []string{page, "bbbb.x", ""} {
			c, err := net.Dial("tcp", strings.TrimPrefix(d.http.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			_, err = io.WriteString(c, line+" HTTP/1.1\r\nHost: x\r\nOrigin: "+d.http.URL+"\r\nCookie: slipway-page="+cookie+"\r\nContent-Length: 9\r\n\r\n{")
			if err == nil {
				_, err = io.Copy(io.Discard, c)
			}
			if err != nil {
				t.Errorf("%s with %q: %v", line, cookie, err)
			}
			c.Close()
		}
	}
}
