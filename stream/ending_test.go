package stream_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"slipway/compute/rfb"
	"slipway/fault"
	"slipway/stream"
)

// TestEndingsSayWhy: a connection that may not go on is closed with a code and a
// sentence, and no byte of the screen comes after it.
func TestEndingsSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		refusal error
		code    websocket.StatusCode
		words   string
	}{
		"expired": {fault.New(fault.Denied, "This streaming address has expired."), 4001, "has expired"},
		"deleted": {fault.New(fault.NotFound, "The image builder b does not exist any more."), 4001, "any more"},
		"stopped": {fault.New(fault.WrongState, "The image builder b is STOPPED. %s", strings.Repeat("ж", 100)), 4000, "is STOPPED"},
	} {
		d := sit(t, func(c *stream.Config) { c.Look = 10 * time.Millisecond })
		c2 := d.viewer()
		d.refuse(c.refusal)
		if e := ended(t, c2); e.Code != c.code || !strings.Contains(e.Reason, c.words) {
			t.Errorf("%s: %v", name, e)
		}
		d.until("it is counted", func() bool { return d.srv.Viewers()["connected"] == 0 })
	}
	d := sit(t, func(c *stream.Config) { c.Look = 10 * time.Millisecond })
	c := d.viewer()
	d.refuse(errors.New("the store does not answer"))
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"ping":7}`)); err != nil {
		t.Fatal(err)
	}
	for {
		_, b, err := c.Read(t.Context())
		if err != nil {
			t.Fatalf("cut off because the store did not answer: %v", err)
		}
		if strings.Contains(string(b), `"pong":7`) {
			break
		}
	}
	go d.srv.Close()
	if e := ended(t, c); e.Code != websocket.StatusServiceRestart {
		t.Errorf("the server stops: %v", e)
	}
	if _, res, err := d.dial(); err == nil || res == nil || res.StatusCode < 400 {
		t.Errorf("connected while the server stops: %v", err)
	}
}

// TestViewersThatMisbehave: each is closed with a reason, and others go on.
func TestViewersThatMisbehave(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.ViewersPerPage = 100 })
	bystander := &wire{c: d.viewer()}
	for name, c := range map[string]struct {
		kind websocket.MessageType
		sent []byte
		code websocket.StatusCode
	}{
		"a request":        {websocket.MessageBinary, []byte("GET / HTTP/1.1\r\n\r\n"), 4002},
		"noise":            {websocket.MessageBinary, []byte(strings.Repeat("\xff\x00\x9d", 1000)), 4002},
		"a huge clipboard": {websocket.MessageBinary, []byte("RFB 003.008\n\x01\x01\x06\x00\x00\x00\x7f\xff\xff\xff"), 4002},
		"too much at once": {websocket.MessageBinary, make([]byte, 2<<20), websocket.StatusMessageTooBig},
		"no note":          {websocket.MessageText, []byte("hello"), 4002},
		"a huge note":      {websocket.MessageText, []byte(`{"ping":1,"x":"` + strings.Repeat("x", 5000) + `"}`), 4002},
	} {
		v := d.viewer()
		if err := v.Write(t.Context(), c.kind, c.sent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if e := ended(t, v); e.Code != c.code {
			t.Errorf("%s: %v", name, e)
		}
	}
	if _, err := rfb.Frame(t.Context(), bystander); err != nil {
		t.Errorf("a viewer beside them: %v", err)
	}
}

// TestDisplaysThatMisbehave: what a guest sends ends its viewer's connection and
// nothing else.
func TestDisplaysThatMisbehave(t *testing.T) {
	for name, sent := range map[string]string{
		"no RFB": "HTTP/1.1 200 OK\r\n\r\n", "noise": "RFB 003.008\n\x01\x01\x00\x00\x00\x00" + strings.Repeat("\xff", 4000), "nothing": "",
	} {
		d := sit(t, nil)
		d.display = func() (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = io.WriteString(ours, sent) // may be cut off
				_ = ours.Close()
			}()
			return theirs, nil
		}
		want := websocket.StatusCode(4002)
		if sent == "" {
			want = 4004
		}
		if e := ended(t, d.viewer()); e.Code != want || e.Reason == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	d := sit(t, nil)
	d.display = func() (net.Conn, error) { return nil, fault.New(fault.NotAvailable, "The machine m is off.") }
	if _, res, err := d.dial(); err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("no display: %v", err)
	}
	if d.srv.Viewers()["connected"] != 0 || d.srv.Refusals()["display"] != 1 {
		t.Errorf("counted %v, %v", d.srv.Viewers(), d.srv.Refusals())
	}
}

// TestSlowReader: a viewer that takes nothing is let go, and another one sees
// the screen meanwhile.
func TestSlowReader(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.Slow = 300 * time.Millisecond })
	flood := func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			piece := "\x03\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("x", 1<<16) // clipboard texts
			go func() { _, _ = io.Copy(io.Discard, ours) }()
			_, err := io.WriteString(ours, "RFB 003.008\n\x01\x01\x00\x00\x00\x00\x02\x80\x01\x90\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00\x00\x00\x00\x00")
			for err == nil {
				_, err = io.WriteString(ours, piece)
			}
		}()
		return theirs, nil
	}
	d.display = flood
	d.viewer() // and never reads
	d.mu.Lock()
	d.display = nil
	d.mu.Unlock()
	if _, err := rfb.Frame(t.Context(), &wire{c: d.viewer()}); err != nil {
		t.Errorf("a viewer beside it: %v", err)
	}
	d.until("the slow one is let go", func() bool { return d.srv.Endings()["slow"] == 1 })
}

// TestSilentViewer: one that does not even answer pings is let go.
func TestSilentViewer(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.Ping = 50 * time.Millisecond })
	d.viewer() // answers pings only while it reads
	d.until("it is let go", func() bool { return d.srv.Endings()["ping"] == 1 })
}

func TestViewersAreCounted(t *testing.T) {
	d := sit(t, func(c *stream.Config) { c.ViewersPerPage = 2 })
	first := d.viewer()
	d.viewer()
	if _, res, err := d.dial(); err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third one: %v", err)
	}
	if d.srv.Viewers()["connected"] != 2 {
		t.Errorf("counted %v", d.srv.Viewers())
	}
	if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	d.until("there is room again", func() bool {
		c, _, err := d.dial()
		if err == nil {
			_ = c.CloseNow() // it was there
		}
		return err == nil
	})
	if fmt.Sprint(d.srv.Refusals()["limit"] > 0, d.srv.Endings()["left"] > 0) != "true true" {
		t.Errorf("counted %v, %v", d.srv.Refusals(), d.srv.Endings())
	}
}
