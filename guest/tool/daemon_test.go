package tool

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"slipway/guest"
)

// TestDaemon: the Image Assistant's question goes through the daemon to the host
// and back; a port that ends is opened again; other machines than builders refuse.
func TestDaemon(t *testing.T) {
	ports := make(chan io.ReadWriteCloser)
	d := &Daemon{Version: "v1", Log: t.Logf, Open: func() (io.ReadWriteCloser, error) {
		select {
		case p := <-ports:
			return p, nil
		case <-t.Context().Done():
			return nil, t.Context().Err()
		}
	}}
	attended := make(chan struct{})
	go func() { d.Attend(t.Context()); close(attended) }()
	t.Cleanup(func() { <-attended })
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { _ = d.Serve(t.Context(), l) }()

	host := func(session, role string) net.Conn {
		ours, theirs := net.Pipe()
		go func() {
			_ = guest.Host{Session: session, Role: role, Answer: func(_ context.Context, name string, args json.RawMessage) guest.Answer {
				return guest.Answer{Message: session + " " + name + " " + string(args)}
			}}.Serve(t.Context(), ours)
		}()
		ports <- theirs
		return ours
	}
	ask := func(name string) guest.Answer {
		t.Helper()
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		a, err := askOn(t.Context(), c, name, guest.Named{Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := host("one", guest.RoleBuilder)
	if a := ask(guest.CallRemoveApplication); a.Message != `one remove-application {"name":"x"}` {
		t.Errorf("%+v", a)
	}
	first.Close()
	second := host("two", guest.RoleBuilder)
	if a := ask(guest.CallRemoveApplication); !strings.HasPrefix(a.Message, "two ") {
		t.Errorf("after the port came back: %+v", a)
	}
	if a := ask(callBuilder); a.Status != guest.StatusOK || a.Message != guest.OK.Message {
		t.Errorf("whether it is an image builder: %+v", a)
	}
	second.Close()
	defer host("three", "fleet-instance").Close()
	for _, name := range []string{guest.CallRemoveApplication, callBuilder} {
		if a := ask(name); a.Status != guest.StatusRefused || !strings.Contains(a.Message, "not an image builder") {
			t.Errorf("%s on another machine: %+v", name, a)
		}
	}
}
