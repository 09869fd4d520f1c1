package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// Host is the host's side of a stream.
type Host struct {
	Role    string
	Session string // unguessed by earlier peers: new for every connection
	// Greeted is told who answered the greeting, each time; nil: nobody is.
	Greeted func(Greeting)
	// Answer does a call. Calls of a machine come one after another.
	Answer func(ctx context.Context, name string, args json.RawMessage) Answer
	// Orders gives orders to the tool while this serves; nil: nobody does.
	Orders *Orders
}

// What a guest may ask for: more is not refused but read slowly, so that a mad
// guest waits and nobody else does.
const (
	bytesPerSecond = 256 << 10
	callsPerSecond = 10
	callsAtOnce    = 50
)

// writeTime is how long a guest may leave an answer unread.
const writeTime = 30 * time.Second

// Serve greets whoever is at the other end and answers calls until the stream
// ends, and closes it. ctx ending ends it too.
func (h Host) Serve(ctx context.Context, c io.ReadWriteCloser) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	slow := &slowReader{ctx: ctx, r: c, bytes: rate.NewLimiter(bytesPerSecond, bytesPerSecond), asked: h.Orders}
	calls := rate.NewLimiter(callsPerSecond, callsAtOnce)
	s := &Stream{r: slow, w: patient{c}}
	if h.Orders != nil {
		defer h.Orders.end()
	}
	hello := Message{Kind: KindHello, Session: h.Session, Hello: &Greeting{Version: Version, Role: h.Role}}
	if err := s.Write(hello); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	for {
		m, err := s.Read()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		// A report is what we asked for: there are no more than orders.
		if m.Kind == KindReport && m.Session == h.Session && h.Orders.reported(m) {
			continue
		}
		if err := calls.Wait(ctx); err != nil {
			return err
		}
		switch {
		case m.Kind == KindKnock:
			err = s.Write(hello)
		case m.Session != h.Session:
			// Left over from an earlier session.
		case m.Kind == KindHello && m.Hello != nil && m.Hello.Version == Version:
			h.Orders.begin(s, h.Session, *m.Hello)
			if h.Greeted != nil {
				h.Greeted(*m.Hello)
			}
		case m.Kind == KindCall:
			a := h.Answer(ctx, m.Name, m.Args)
			reply := Message{Kind: KindAnswer, Session: h.Session, ID: m.ID, Answer: &a}
			if err = s.Write(reply); err == ErrTooLarge {
				a = Unexpected("The answer is too large.")
				err = s.Write(reply)
			}
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// patient closes a stream that a write has waited for too long.
type patient struct{ c io.WriteCloser }

func (p patient) Write(b []byte) (int, error) {
	defer time.AfterFunc(writeTime, func() { _ = p.c.Close() }).Stop()
	return p.c.Write(b)
}

type slowReader struct {
	ctx   context.Context
	r     io.Reader
	bytes *rate.Limiter
	asked *Orders // what was asked for is not counted
}

func (s *slowReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b[:min(len(b), bytesPerSecond)])
	if n > 0 {
		if err := s.bytes.WaitN(s.ctx, n-s.asked.spend(n)); err != nil {
			return n, err
		}
	}
	return n, err
}
