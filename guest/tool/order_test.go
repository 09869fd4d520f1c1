package tool

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/fault"
	"slipway/guest"
)

// ordered puts a tool at one end and a host at the other.
func ordered(t *testing.T) (*guest.Orders, *Orderly) {
	t.Helper()
	o, at := &Orderly{Dir: filepath.Join(t.TempDir(), "spool"), Now: time.Now}, &guest.Orders{}
	connect(t, o, at, "s")
	return at, o
}

func connect(t *testing.T, o *Orderly, at *guest.Orders, session string) (hangUp func()) {
	t.Helper()
	ours, theirs := net.Pipe()
	p := &guest.Peer{Do: o.Do}
	ended := make(chan struct{}, 2)
	go func() { _ = p.Run(t.Context(), theirs); ended <- struct{}{} }()
	go func() { _ = guest.Host{Session: session, Orders: at}.Serve(t.Context(), ours); ended <- struct{}{} }()
	hangUp = func() { ours.Close(); theirs.Close() }
	t.Cleanup(func() { hangUp(); <-ended; <-ended })
	return hangUp
}

func TestCommands(t *testing.T) {
	at, o := ordered(t)
	for line, want := range map[string]guest.Report{
		"echo hello; echo there >&2":            {Ended: true, Output: "hello\nthere\n"},
		"exit 7":                                {Ended: true, Exit: 7},
		`printf '\377'`:                         {Ended: true, Output: "\uFFFD"},
		"pwd":                                   {Ended: true, Output: o.Dir + "\n"},
		"head -c 100000 /dev/zero | tr '\\0' a": {Ended: true, Output: strings.Repeat("a", guest.MaxOutput)},
	} {
		r, err := at.Run(t.Context(), guest.Command{ID: "c", Line: line, Seconds: 60})
		if err != nil || r != want {
			t.Errorf("%s: %+v, %v", line, r, err)
		}
	}
	// One that does not end by itself is ended, with its children.
	r, err := at.Run(t.Context(), guest.Command{ID: "slow", Line: "sleep 1000 & sleep 1000", Seconds: 1})
	if err != nil || !r.Late || r.Exit == 0 {
		t.Errorf("late: %+v, %v", r, err)
	}
	if _, err := at.Run(t.Context(), guest.Command{ID: "../c", Line: "true"}); !fault.Is(err, fault.NotAvailable) {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := at.Give(t.Context(), "dance", nil); err == nil || !strings.Contains(err.Error(), `there is no order "dance"`) {
		t.Errorf("unknown: %v", err)
	}
}

// TestCommandsOutliveTheTalk: a command goes on while the host is away, is not
// begun a second time, and its end is told to the host that comes back.
func TestCommandsOutliveTheTalk(t *testing.T) {
	o, at := &Orderly{Dir: t.TempDir()}, &guest.Orders{}
	hangUp := connect(t, o, at, "one")
	c := guest.Command{ID: "c", Line: "echo begun >> log; while [ ! -e go-on ]; do sleep 0.05; done; cat log", Seconds: 60}
	if _, err := at.Give(t.Context(), guest.OrderRun, c); err != nil {
		t.Fatal(err)
	}
	hangUp()
	if err := os.WriteFile(filepath.Join(o.Dir, "go-on"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again := &guest.Orders{}
	connect(t, o, again, "two")
	if r, err := again.Run(t.Context(), c); err != nil || r.Output != "begun\n" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := again.Give(t.Context(), guest.OrderResult, guest.Asked{ID: "c"}); err != nil || !r.Lost {
		t.Errorf("a command that was dropped: %+v, %v", r, err)
	}
}

// counted counts the bytes read.
type counted struct {
	io.ReaderAt
	n int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.n += int64(len(p))
	return c.ReaderAt.ReadAt(p, off)
}

func TestFiles(t *testing.T) {
	at, o := ordered(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 3*guest.MaxPiece/16)
	data = append(data, "end"...)
	sum, size := sha256.Sum256(data), int64(len(data))
	// What is there of an earlier attempt is not sent again.
	r, err := at.Give(t.Context(), guest.OrderPut, guest.Piece{Name: "f", Size: size, SHA256: hexOf(sum), Data: data[:guest.MaxPiece]})
	if err != nil || r.Have != guest.MaxPiece || r.Whole {
		t.Fatalf("%+v, %v", r, err)
	}
	f := &counted{ReaderAt: bytes.NewReader(data)}
	if err := at.Put(t.Context(), "f", f, size, sum, nil); err != nil || f.n != size-guest.MaxPiece {
		t.Fatalf("%d bytes read, %v", f.n, err)
	}
	if b, err := os.ReadFile(filepath.Join(o.Dir, "f")); err != nil || !bytes.Equal(b, data) {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if err := at.Put(t.Context(), "f", f, size, sum, nil); err != nil || f.n != size-guest.MaxPiece {
		t.Errorf("sent again: %v", err)
	}
	if r, err := at.Run(t.Context(), guest.Command{ID: "c", Line: `wc -c < "$SLIPWAY_FILE"`, File: "f", Seconds: 60}); err != nil || strings.TrimSpace(r.Output) != "98307" {
		t.Errorf("%+v, %v", r, err)
	}
	if err := at.Put(t.Context(), "empty", bytes.NewReader(nil), 0, sha256.Sum256(nil), nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	// Another file than was promised is not kept.
	if err := at.Put(t.Context(), "g", bytes.NewReader(data), size, sha256.Sum256(nil), nil); err == nil {
		t.Error("a wrong digest was taken")
	}
	if _, err := at.Give(t.Context(), guest.OrderDrop, guest.Asked{ID: "f"}); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(o.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "empty" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestToolsWithoutOrders(t *testing.T) {
	ours, theirs := net.Pipe()
	at := &guest.Orders{}
	p := &guest.Peer{Self: guest.Greeting{Tool: "old"}}
	ended := make(chan struct{}, 2)
	go func() { _ = p.Run(t.Context(), theirs); ended <- struct{}{} }()
	go func() { _ = guest.Host{Session: "s", Orders: at}.Serve(t.Context(), ours); ended <- struct{}{} }()
	if _, err := at.Give(t.Context(), guest.OrderRun, guest.Command{ID: "c"}); !fault.Is(err, fault.NotAvailable) || !strings.Contains(fault.Public(err), "older than this server") {
		t.Errorf("%v", err)
	}
	ours.Close()
	<-ended
	<-ended
}

func hexOf(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }
