package work

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/guest/pretend"
)

// seatsOf are seats whose guest has a tool that serves one end of a connection.
func seatsOf(t *testing.T, serve func(c net.Conn)) *Seats {
	t.Helper()
	ours, theirs := net.Pipe()
	o := &guest.Orders{}
	done := make(chan struct{}, 2)
	go func() { serve(theirs); done <- struct{}{} }()
	go func() { _ = guest.Host{Session: "s", Orders: o}.Serve(t.Context(), ours); done <- struct{}{} }()
	t.Cleanup(func() { ours.Close(); theirs.Close(); <-done; <-done })
	return &Seats{Talk: func(ctx context.Context, _ domain.Key, f func(context.Context, *guest.Orders, guest.Greeting) error) error {
		return f(ctx, o, guest.Greeting{})
	}}
}

// TestSeats: applications start, files come and go in any number of pieces, and
// what goes wrong is said in a user's words.
func TestSeats(t *testing.T) {
	started := ""
	tools := &pretend.Tools{Started: func(_, program string) { started = program }}
	s, key := seatsOf(t, func(c net.Conn) { tools.Serve("m", c) }), domain.Key{Kind: domain.KindSession, Name: "x"}
	if err := s.Launch(t.Context(), key, domain.Application{Name: "a", Path: "/bin/a"}); err != nil || started != "/bin/a" {
		t.Errorf("%v, %q", err, started)
	}
	for parameters, want := range map[string]string{
		pretend.Missing: "The A could not be started: it is not there any more.", pretend.Crash: "The A could not be started: it started and ended at once (exit code 3).",
	} {
		if err := s.Launch(t.Context(), key, domain.Application{Name: "a", DisplayName: "The A", Path: "/bin/a", Parameters: parameters}); fault.Public(err) != want {
			t.Errorf("%s: %v", parameters, err)
		}
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 10000)
	f := domain.Arriving{Name: "ä b.txt", ID: "t1", Size: int64(len(content))}
	if have, _, err := s.PutFile(t.Context(), key, f, 50, content[:100]); err != nil || have != 0 {
		t.Errorf("a piece that comes too soon: %d, %v", have, err)
	}
	if have, name, err := s.PutFile(t.Context(), key, f, 0, content[:100000]); err != nil || have != 100000 || name != "" {
		t.Errorf("half of it: %d, %q, %v", have, name, err)
	}
	if have, _, err := s.PutFile(t.Context(), key, f, 7, nil); err != nil || have != 100000 {
		t.Errorf("how much is there: %d, %v", have, err)
	}
	if have, name, err := s.PutFile(t.Context(), key, f, 100000, content[100000:]); err != nil || have != f.Size || name != "ä b.txt" {
		t.Errorf("all of it: %d, %q, %v", have, name, err)
	}
	if l, err := s.Files(t.Context(), key); err != nil || len(l) != 1 || l[0].Name != "ä b.txt" || l[0].Size != f.Size {
		t.Errorf("%+v, %v", l, err)
	}
	var got []byte
	for int64(len(got)) < f.Size {
		x, err := s.GetFile(t.Context(), key, f.Name, int64(len(got)))
		if err != nil || len(x.Data) == 0 || x.Size != f.Size {
			t.Fatalf("%+v, %v", x, err)
		}
		got = append(got, x.Data...)
	}
	if !bytes.Equal(got, content) {
		t.Error("what left is not what came")
	}
	if _, err := s.GetFile(t.Context(), key, "none", 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is not there: %v", err)
	}
}

// TestSeatsRefuse: names that are paths, transfers that are none and files that
// are too large never reach the guest.
func TestSeatsRefuse(t *testing.T) {
	s := &Seats{Talk: func(context.Context, domain.Key, func(context.Context, *guest.Orders, guest.Greeting) error) error {
		t.Error("the guest was asked")
		return nil
	}}
	for _, name := range []string{"", "..", "../x", "/etc/passwd", `a\b`, "C:x", ".hidden", "a\x00", "con"} {
		if _, _, err := s.PutFile(t.Context(), domain.Key{}, domain.Arriving{Name: name, ID: "a"}, 0, nil); !fault.Is(err, fault.BadValue) {
			t.Errorf("in as %q: %v", name, err)
		}
		if _, err := s.GetFile(t.Context(), domain.Key{}, name, 0); !fault.Is(err, fault.BadValue) {
			t.Errorf("out as %q: %v", name, err)
		}
		if err := s.CancelFile(t.Context(), domain.Key{}, domain.Arriving{Name: name, ID: "a"}); !fault.Is(err, fault.BadValue) {
			t.Errorf("cancelled as %q: %v", name, err)
		}
	}
	for _, id := range []string{"", "../a", "a/b", strings.Repeat("a", 101)} {
		if _, _, err := s.PutFile(t.Context(), domain.Key{}, domain.Arriving{Name: "a", ID: id}, 0, nil); !fault.Is(err, fault.BadValue) {
			t.Errorf("transfer %q: %v", id, err)
		}
	}
	if _, _, err := s.PutFile(t.Context(), domain.Key{}, domain.Arriving{Name: "a", ID: "a", Size: guest.MaxFile + 1}, 0, nil); !fault.Is(err, fault.Quota) {
		t.Errorf("too large: %v", err)
	}
}

// TestSeatsBelieveNoGuest: a tool that says what cannot be is not believed, and
// nobody waits for it for ever.
func TestSeatsBelieveNoGuest(t *testing.T) {
	say := make(chan guest.Report, 1)
	peer := &guest.Peer{Do: func(_ context.Context, _ string, _ json.RawMessage) guest.Report {
		r := <-say
		say <- r
		return r
	}}
	s := seatsOf(t, func(c net.Conn) { _ = peer.Run(context.Background(), c) })
	with := func(r guest.Report) {
		select {
		case <-say:
		default:
		}
		say <- r
	}
	with(guest.Report{Folder: &guest.Folder{More: true, Files: []guest.File{{Name: "../../x"}, {Name: "b"}, {Name: "a"}, {Name: "c", Size: -1}, {Name: "d<script>"}}}})
	if l, err := s.Files(t.Context(), domain.Key{}); err != nil || fmt.Sprint(l) != fmt.Sprint([]domain.SessionFile{{Name: "b"}}) {
		t.Errorf("%+v, %v", l, err)
	}
	for name, f := range map[string]*guest.Folder{
		"nothing": nil, "minus": {Size: -1}, "too much": {Size: 1 << 30, Data: make([]byte, guest.MaxPiece+1)}, "more than all": {Size: 2, Data: []byte("abc")},
	} {
		with(guest.Report{Folder: f})
		if x, err := s.GetFile(t.Context(), domain.Key{}, "f", 0); !fault.Is(err, fault.NotAvailable) {
			t.Errorf("%s: %+v, %v", name, x, err)
		}
	}
	for _, have := range []int64{-5, 0, 1 << 50} {
		with(guest.Report{Have: have})
		if got, name, err := s.PutFile(t.Context(), domain.Key{}, domain.Arriving{Name: "f", ID: "a", Size: 10}, 0, []byte("0123456789")); err != nil || name != "" || got < 0 || got > 10 {
			t.Errorf("have %d: %d, %q, %v", have, got, name, err)
		}
	}
	with(guest.Report{Whole: true, Folder: &guest.Folder{Name: "../x"}})
	if _, name, err := s.PutFile(t.Context(), domain.Key{}, domain.Arriving{Name: "f", ID: "a", Size: 1}, 0, []byte("0")); err != nil || name != "f" {
		t.Errorf("%q, %v", name, err)
	}
	with(guest.Report{Error: "<script>\x1b[2J", Problem: "something new"})
	if err := s.Launch(t.Context(), domain.Key{}, domain.Application{Name: "a"}); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("%v", err)
	}
}
