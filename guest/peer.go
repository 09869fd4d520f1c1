package guest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Peer is the tool's side of a stream. Run must be at work for Ask to answer.
type Peer struct {
	Self Greeting // what the tool says of itself; Version, Orders and Life are filled in
	// Do carries out an order, each on a goroutine of its own; ctx ends with Run.
	// nil: this tool takes none.
	Do func(ctx context.Context, name string, args json.RawMessage) Report

	mu      sync.Mutex
	stream  *Stream
	session string
	role    string
	greeted chan struct{} // closed while there is a session
	next    int64
	life    string
	waiting map[int64]chan Answer
}

// ErrAway means that the host does not listen.
var ErrAway = errors.New("the host does not answer")

// knockEvery is the time between two knocks at a host that does not greet.
const knockEvery = time.Second

// ready makes what the zero value lacks; the caller holds mu.
func (p *Peer) ready() {
	if p.greeted == nil {
		p.greeted, p.waiting, p.life = make(chan struct{}), map[int64]chan Answer{}, rand.Text()
	}
}

// Run speaks on c until it ends. After an end, Run may be called with a new c.
func (p *Peer) Run(ctx context.Context, c io.ReadWriter) error {
	s := NewStream(c)
	p.mu.Lock()
	p.ready()
	p.stream = s
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer p.end()
	go p.knock(ctx, s)
	hands := make(chan struct{}, ordersAtOnce)
	for {
		m, err := s.Read()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		switch {
		case m.Kind == KindHello && m.Hello != nil:
			if err := p.hello(s, m); err != nil {
				return err
			}
		case m.Kind == KindAnswer && m.Answer != nil:
			p.answered(m)
		case m.Kind == KindOrder && p.ours(m):
			select {
			case hands <- struct{}{}:
				go func() {
					p.obey(ctx, s, m)
					<-hands
				}()
			default: // more than a host of ours sends: it is not heard
			}
		}
	}
}

// ordersAtOnce is how many orders are carried out beside each other.
const ordersAtOnce = 4

// ours tells whether a message belongs to the session that goes on.
func (p *Peer) ours(m Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session != "" && m.Session == p.session
}

func (p *Peer) obey(ctx context.Context, s *Stream, m Message) {
	r := Report{Error: "this tool takes no orders"}
	if p.Do != nil {
		r = p.Do(ctx, m.Name, m.Args)
	}
	reply := Message{Kind: KindReport, Session: m.Session, ID: m.ID, Report: &r}
	if errors.Is(s.Write(reply), ErrTooLarge) {
		r = Report{Error: "the report is too large"}
		_ = s.Write(reply)
	}
}

// knock asks for a greeting until there was one: from then on this connection has
// a session. A port may swallow what is written while nobody listens at its other
// end, so once is not enough.
func (p *Peer) knock(ctx context.Context, s *Stream) {
	p.mu.Lock()
	greeted := p.greeted
	p.mu.Unlock()
	t := time.NewTicker(knockEvery)
	defer t.Stop()
	for {
		select {
		case <-greeted:
			return
		default:
		}
		if s.Write(Message{Kind: KindKnock}) != nil {
			return
		}
		select {
		case <-t.C:
		case <-greeted:
			return
		case <-ctx.Done():
			return
		}
	}
}

// hello begins a session. Calls of the one before are lost with the host that
// knew them.
func (p *Peer) hello(s *Stream, m Message) error {
	if m.Hello.Version != Version {
		return fmt.Errorf("the host speaks version %d, this tool %d", m.Hello.Version, Version)
	}
	p.mu.Lock()
	if p.session != m.Session {
		p.forget()
		p.session, p.role = m.Session, m.Hello.Role
		close(p.greeted)
	}
	p.mu.Unlock()
	self := p.Self
	self.Version, self.Orders, self.Life = Version, p.Do != nil, p.life
	// Not here: who reads must never wait for a write, or both ends could wait for
	// each other.
	go func() { _ = s.Write(Message{Kind: KindHello, Session: m.Session, Hello: &self}) }()
	return nil
}

// forget ends the session; the caller holds mu.
func (p *Peer) forget() {
	for id, c := range p.waiting {
		close(c)
		delete(p.waiting, id)
	}
	if p.session != "" {
		p.session, p.greeted = "", make(chan struct{})
	}
}

func (p *Peer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget()
	p.stream = nil
}

func (p *Peer) answered(m Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.waiting[m.ID]; c != nil && m.Session == p.session {
		c <- *m.Answer
		delete(p.waiting, m.ID)
	}
}

// Role waits for the greeting and returns what the machine is. ErrAway when ctx
// ends first.
func (p *Peer) Role(ctx context.Context) (string, error) {
	p.mu.Lock()
	p.ready()
	greeted := p.greeted
	p.mu.Unlock()
	select {
	case <-greeted:
	case <-ctx.Done():
		return "", ErrAway
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.role, nil
}

// Ask makes a call and waits for its answer. ErrAway: nobody greets, or the
// session ended before the answer came; the call may have been done then.
func (p *Peer) Ask(ctx context.Context, name string, args any) (Answer, error) {
	body, err := json.Marshal(args)
	if err != nil {
		return Answer{}, fmt.Errorf("guest: encode: %w", err)
	}
	if _, err := p.Role(ctx); err != nil {
		return Answer{}, err
	}
	p.mu.Lock()
	s := p.stream
	if s == nil || p.session == "" {
		p.mu.Unlock()
		return Answer{}, ErrAway
	}
	p.next++
	m := Message{Kind: KindCall, Session: p.session, ID: p.next, Name: name, Args: body}
	c := make(chan Answer, 1)
	p.waiting[m.ID] = c
	p.mu.Unlock()
	if err := s.Write(m); err != nil {
		return Answer{}, err
	}
	select {
	case a, ok := <-c:
		if !ok {
			return a, ErrAway
		}
		return a, nil
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.waiting, m.ID)
		p.mu.Unlock()
		return Answer{}, ErrAway
	}
}
