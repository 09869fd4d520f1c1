package stream_test

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"slipway/domain"
	"slipway/stream"
)

// blind is a display that takes everything and shows nothing.
func blind() (net.Conn, error) {
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	return here, nil
}

// TestScreenFollowsTheWindow: the guest of the page's own screen is asked for the
// size that the viewer wants; of wishes that come while it is at one, the last.
func TestScreenFollowsTheWindow(t *testing.T) {
	type wish struct {
		who           domain.Key
		width, height int
	}
	var mu sync.Mutex
	var asked []wish
	begun, goOn := make(chan bool, 8), make(chan bool)
	d := sit(t, func(c *stream.Config) {
		c.Resize = func(ctx context.Context, who domain.Key, width, height int) error {
			mu.Lock()
			asked = append(asked, wish{who, width, height})
			mu.Unlock()
			begun <- true
			select {
			case <-goOn:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	d.display = blind
	d.used(nil)
	c := d.viewer()
	size := func(w, h int) string {
		return "\xfb\x00" + string([]byte{byte(w >> 8), byte(w), byte(h >> 8), byte(h)}) + "\x01\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + string([]byte{byte(w >> 8), byte(w), byte(h >> 8), byte(h)}) + "\x00\x00\x00\x00"
	}
	send := func(s string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	key := "\x04\x01\x00\x00\x00\x00\x00a"
	send("RFB 003.008\n\x01\x01" + size(1000, 700))
	<-begun
	send(size(1100, 700))
	send(size(0, 700) + size(1<<15, 1<<15)) // no sizes
	send(size(1200, 700))
	send(key)
	d.until("the key has come", func() bool { return d.srv.Inputs()["all"] > 0 })
	goOn <- true
	<-begun
	if err := c.CloseNow(); err != nil {
		t.Fatal(err)
	}
	d.until("the viewer has gone", func() bool { return d.heard("disconnected s") })
	mu.Lock()
	defer mu.Unlock()
	s := domain.Key{Kind: domain.KindSession, Name: "s"}
	if want := []wish{{s, 1000, 700}, {s, 1200, 700}}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// TestScreenThatCannotBeAsked: a defect in asking for a size ends neither the
// server nor the connection.
func TestScreenThatCannotBeAsked(t *testing.T) {
	asked := make(chan bool, 1)
	d := sit(t, func(c *stream.Config) {
		c.Resize = func(context.Context, domain.Key, int, int) error {
			asked <- true
			panic("a defect of ours")
		}
	})
	d.display = blind
	c := d.viewer()
	for _, s := range []string{"RFB 003.008\n\x01\x01\xfb\x00\x03\xe8\x02\xbc\x00\x00", "\x04\x01\x00\x00\x00\x00\x00a"} {
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if s[0] == 'R' {
			<-asked
		}
	}
	d.until("the key has come", func() bool { return d.srv.Inputs()["all"] > 0 })
}
