package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// duplex reads from one place and writes to another.
type duplex struct {
	io.Reader
	io.Writer
}

func frames(t *testing.T, ms ...Message) []byte {
	t.Helper()
	var b bytes.Buffer
	s := NewStream(duplex{nil, &b})
	for _, m := range ms {
		if err := s.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestFramesAreFoundInRubbish(t *testing.T) {
	one, two := frames(t, Message{Kind: "one"}), frames(t, Message{Kind: "two", Name: strings.Repeat("ü", 20000)})
	long := fmt.Appendf(nil, "%s%08x", mark, maxBody) // of a frame that never came whole
	for name, before := range map[string][]byte{
		"nothing": nil, "text": []byte("login: "), "half a frame": two[:len(two)/2], "a head": long, "half a head": long[:6],
		"a mark": []byte("\xff"), "two marks": []byte("\xff\xff"), "too long": []byte("\xffSW1ffffffff"), "no number": []byte("\xffSW1-0000001x"),
		"no JSON": []byte("\xffSW100000003{{{"), "other mark": []byte("\xffSW200000000"),
	} {
		in := append(append(append([]byte{}, before...), one...), two...)
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(in), "byte by byte": iotest.OneByteReader(bytes.NewReader(in))} {
			s := NewStream(duplex{r, nil})
			a, err := s.Read()
			if err != nil || a.Kind != "one" {
				t.Errorf("%s, %s: %q, %v", name, how, a.Kind, err)
				continue
			}
			if b, err := s.Read(); err != nil || b.Kind != "two" || len(b.Name) != 40000 {
				t.Errorf("%s, %s: the second is %q, %v", name, how, b.Kind, err)
			}
			if _, err := s.Read(); !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: the end is %v", name, how, err)
			}
		}
	}
}

func TestFramesAreBounded(t *testing.T) {
	if err := NewStream(duplex{nil, io.Discard}).Write(Message{Name: strings.Repeat("x", MaxFrame)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large message: %v", err)
	}
	s := NewStream(duplex{bytes.NewReader(make([]byte, 2*maxRubbish)), nil})
	if _, err := s.Read(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("endless rubbish: %v", err)
	}
	if cap(s.buf) > MaxFrame+64<<10 {
		t.Errorf("a buffer of %d bytes", cap(s.buf))
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("\xffSW100000003{}x\xffSW10000000e{\"kind\":\"one\"}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := NewStream(duplex{bytes.NewReader(b), nil})
		slow := NewStream(duplex{iotest.OneByteReader(bytes.NewReader(b)), nil})
		for {
			m, err := whole.Read()
			n, err2 := slow.Read()
			x, _ := json.Marshal(m)
			y, _ := json.Marshal(n)
			if (err == nil) != (err2 == nil) || !bytes.Equal(x, y) {
				t.Fatalf("%s, %v; byte by byte %s, %v", x, err, y, err2)
			}
			if err != nil {
				return
			}
		}
	})
}

// echo answers a call with its name.
func echo(_ context.Context, name string, args json.RawMessage) Answer {
	return Answer{Message: name + " " + string(args)}
}

// serve runs a host on one end of a pipe and returns the other end.
func serve(t *testing.T, h Host) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { _ = h.Serve(t.Context(), ours); close(done) }()
	t.Cleanup(func() { theirs.Close(); ours.Close(); <-done })
	return theirs
}

func TestCalls(t *testing.T) {
	seen := make(chan Greeting, 10)
	c := serve(t, Host{Role: RoleBuilder, Session: "s1", Answer: echo, Greeted: func(g Greeting) { seen <- g }})
	p := &Peer{Self: Greeting{Tool: "t1", System: "linux"}}
	run := make(chan error, 1)
	go func() { run <- p.Run(t.Context(), c) }()
	if role, err := p.Role(t.Context()); err != nil || role != RoleBuilder {
		t.Fatalf("%q, %v", role, err)
	}
	if g := <-seen; g.Tool != "t1" || g.System != "linux" || g.Version != Version {
		t.Errorf("%+v", g)
	}
	for i := range 20 {
		name := fmt.Sprint("n", i)
		if a, err := p.Ask(t.Context(), name, Named{Name: "x"}); err != nil || a.Message != name+` {"name":"x"}` {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	c.Close()
	<-run
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Ask(ctx, "n", nil); !errors.Is(err, ErrAway) {
		t.Errorf("a host that is away: %v", err)
	}
	// The same peer goes on with the host's next life.
	go func() { run <- p.Run(t.Context(), serve(t, Host{Session: "s2", Answer: echo})) }()
	if a, err := p.Ask(t.Context(), "again", nil); err != nil || a.Message != "again null" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestHostComesBack: a host that comes back on the same stream, as on a serial
// port, ends the calls that the one before had taken.
func TestHostComesBack(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	p := &Peer{}
	go func() { _ = p.Run(t.Context(), theirs) }()
	s := NewStream(ours)
	until := func(kind string) Message {
		for {
			m, err := s.Read()
			if err != nil {
				t.Fatal(err)
			}
			if m.Kind == kind {
				return m
			}
		}
	}
	greet := func(session string) {
		if err := s.Write(Message{Kind: KindHello, Session: session, Hello: &Greeting{Version: Version}}); err != nil {
			t.Fatal(err)
		}
		if m := until(KindHello); m.Session != session {
			t.Fatalf("session %q", m.Session)
		}
	}
	until(KindKnock)
	greet("a")
	lost := make(chan error, 1)
	go func() { _, err := p.Ask(t.Context(), "slow", nil); lost <- err }()
	if m := until(KindCall); m.Name != "slow" || m.Session != "a" {
		t.Fatalf("%+v", m)
	}
	greet("b")
	if err := <-lost; !errors.Is(err, ErrAway) {
		t.Errorf("a call of the session before: %v", err)
	}
}

func TestOtherVersionsAreRefused(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	run := make(chan error, 1)
	go func() { run <- (&Peer{}).Run(t.Context(), theirs) }()
	s := NewStream(ours)
	go func() { // the knock
		for {
			if _, err := s.Read(); err != nil {
				return
			}
		}
	}()
	if err := s.Write(Message{Kind: KindHello, Session: "a", Hello: &Greeting{Version: 99}}); err != nil {
		t.Fatal(err)
	}
	if err := <-run; err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Error(err)
	}
}
