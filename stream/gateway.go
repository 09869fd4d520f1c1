package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/stream/filter"
)

// Close codes that a page acts on, beside RFC 6455's. Reasons are sentences for
// people.
const (
	screenEnded websocket.StatusCode = 4000 // there is no screen now; there may be one later
	ticketEnded websocket.StatusCode = 4001 // never again with this page
	notSpoken   websocket.StatusCode = 4002 // bytes that are not the protocol
	tooSlow     websocket.StatusCode = 4003
	lostScreen  websocket.StatusCode = 4004 // the display went away: come again
	comeAgain                        = websocket.StatusServiceRestart
)

const (
	maxMessage = 1<<20 + 64<<10 // bytes of a websocket's message: a clipboard and some more
	maxNote    = 4 << 10        // bytes of a text message
	usual      = 64 << 10       // bytes of a message that are kept room for
	hello      = 10 * time.Second
	guestStall = 30 * time.Second // a display that takes nothing for so long is lost
)

// ending is why a connection ends.
type ending struct {
	code websocket.StatusCode
	text string // for the viewer
	why  string // a word for figures and logs
	err  error  // for logs
}

// viewer is one connection.
type viewer struct {
	s      *Server
	ws     *websocket.Conn
	guest  net.Conn
	page   string // public part of its token
	token  string
	by     string      // access endpoint that it came through
	ends   chan ending // the first ending counts
	wishes chan size   // at most the last
	up     filter.Viewer
	rules  filter.Rules
	in     atomic.Int64 // bytes from the viewer
	out    atomic.Int64 // bytes to the viewer
	inputs atomic.Int64
	stirs  atomic.Int64 // what the user did on the page itself

	// Since when a write waits for the viewer, and for the display: how long after
	// begun, 0 for neither. A look at them now and then is cheaper than a timer for
	// every piece.
	begun           time.Time
	sending, giving atomic.Int64

	session domain.Key // whose connection this is, as link
	link    string     // "" when there is no session
	told    int64      // inputs and stirs that the session was told of
	warned  bool       // of the idle limit
	since   time.Time  // see waited; while it carries, of who carries from the guest
}

// end asks for the connection to end; repeatable.
func (v *viewer) end(e ending) {
	select {
	case v.ends <- e:
	default: // it ends already
	}
}

// socket connects a page to its screen. All refusals come before the websocket,
// as HTTP statuses.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	if !s.sameOrigin(r) {
		s.figures.refused("origin")
		http.Error(w, "This websocket is for the streaming page of this server alone.", http.StatusForbidden)
		return
	}
	scr, token, id, err := s.pageOf(r)
	if err != nil {
		s.figures.refused("ticket")
		http.Error(w, fault.Public(err), statusOf(err))
		return
	}
	v := &viewer{s: s, page: id, token: token, by: service.CameThrough(r.Context()), ends: make(chan ending, 1), wishes: make(chan size, 1), rules: rulesOf(scr),
		begun: time.Now()}
	if err := s.enter(v); err != nil {
		s.figures.refused("limit")
		http.Error(w, fault.Public(err), statusOf(err))
		return
	}
	defer s.leave(v)
	ctx, cancel := context.WithTimeout(r.Context(), hello)
	defer cancel()
	if err := v.take(ctx, scr); err != nil {
		s.figures.refused("session")
		http.Error(w, fault.Public(err), statusOf(err))
		return
	}
	defer v.giveBack()
	if v.guest, err = s.c.Displays.Display(ctx, scr.Machine); err != nil {
		s.figures.refused("display")
		s.c.Log.Info("a display cannot be reached", "machine", scr.Machine, "err", err)
		http.Error(w, "The display cannot be reached now.", http.StatusServiceUnavailable)
		return
	}
	defer v.guest.Close()
	// The origin was checked above, and more strictly. Pictures are compressed
	// already.
	v.ws, err = websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.figures.refused("handshake")
		return
	}
	v.ws.SetReadLimit(maxMessage)
	s.run(v, scr)
}

// rulesOf is what the filter holds a connection to.
func rulesOf(scr *service.Screen) filter.Rules {
	return filter.Rules{Input: true, CopyIn: min(scr.CopyIn, filter.MaxText), CopyOut: min(scr.CopyOut, filter.MaxText)}
}

// run carries bytes until something ends it, and says why to everybody.
func (s *Server) run(v *viewer, scr *service.Screen) {
	log := s.c.Log.With("page", v.page, "machine", scr.Machine, "account", scr.Ticket.Subject.Account)
	log.Info("a screen is looked at", "user", scr.Ticket.User)
	begun := s.c.Now()
	var pumps sync.WaitGroup
	pumps.Go(func() { v.end(v.guarded(v.fromViewer)) })
	pumps.Go(func() { v.end(v.guarded(v.fromGuest)) })
	ctx, stop := context.WithCancel(context.Background())
	pumps.Go(func() { _ = v.guarded(func() ending { v.resize(ctx, scr); return ending{} }) }) // nobody ends for it
	e := v.watch(scr)
	stop()
	if e.why == "guest" {
		e = v.whyNoScreen(e)
	}
	_ = v.guest.Close()
	if e.code == tooSlow {
		_ = v.ws.CloseNow() // no word would arrive
	} else {
		_ = v.ws.Close(e.code, reason(e.text)) // gone already, perhaps
	}
	pumps.Wait()
	s.figures.ended(e.why)
	log.Info("a screen is not looked at any more", "why", e.why, "err", e.err, "seconds", int(s.c.Now().Sub(begun).Seconds()), "in", v.in.Load(), "out", v.out.Load())
}

// watch waits for the end and meanwhile looks whether the screen may still be
// looked at and whether the viewer is still there.
func (v *viewer) watch(scr *service.Screen) ending {
	look, ping := time.NewTicker(v.s.c.Look), time.NewTicker(v.s.c.Ping)
	stalls := time.NewTicker(min(v.s.c.Slow, guestStall) / 4)
	defer look.Stop()
	defer ping.Stop()
	defer stalls.Stop()
	v.tell(note{Hello: &hail{Title: scr.Title, Until: scr.Until, Now: v.s.c.Now(), Input: v.rules.Input, CopyIn: v.rules.CopyIn, CopyOut: v.rules.CopyOut,
		Upload: scr.Upload && v.s.c.Guests != nil, Download: scr.Download && v.s.c.Guests != nil, Redirect: elsewhere(scr.Redirect), Feedback: elsewhere(scr.Feedback)}})
	for {
		select {
		case e := <-v.ends:
			return e
		case <-look.C:
			if e, over := v.over(); over {
				return e
			}
		case <-stalls.C:
			if e, over := v.stalled(); over {
				return e
			}
		case <-ping.C:
			ctx, cancel := context.WithTimeout(context.Background(), v.s.c.Ping)
			go func() {
				defer cancel()
				if err := v.ws.Ping(ctx); err != nil {
					v.end(ending{code: tooSlow, text: "The connection is too slow.", why: "ping", err: err})
				}
			}()
		}
	}
}

// waits notes that a write begins; what it returns notes its end.
func (v *viewer) waits(since *atomic.Int64) (end func()) {
	since.Store(max(int64(time.Since(v.begun)), 1))
	return func() { since.Store(0) }
}

// stalled tells whether either side has taken nothing for too long.
func (v *viewer) stalled() (ending, bool) {
	longer := func(since *atomic.Int64, most time.Duration) bool {
		at := since.Load()
		return at > 0 && time.Since(v.begun)-time.Duration(at) > most
	}
	switch {
	case longer(&v.sending, v.s.c.Slow):
		return ending{code: tooSlow, text: "The connection is too slow.", why: "slow"}, true
	case longer(&v.giving, guestStall):
		return ending{code: lostScreen, text: "The screen does not answer.", why: "guest"}, true
	}
	return ending{}, false
}

// over asks whether the screen may not be looked at any more.
func (v *viewer) over() (ending, bool) {
	ctx, cancel := context.WithTimeout(service.Through(context.Background(), v.by), hello)
	defer cancel()
	v.busy(ctx)
	scr, err := v.s.c.Tickets.Screen(ctx, v.token)
	switch {
	case err == nil:
		return v.mayStay(scr)
	case final(err):
		return ending{code: ticketEnded, text: fault.Public(err), why: "ticket", err: err}, true
	case fault.Is(err, fault.WrongState):
		return ending{code: screenEnded, text: fault.Public(err), why: "state", err: err}, true
	}
	v.s.c.Log.Warn("a screen cannot be looked up", "page", v.page, "err", err)
	return ending{}, false // no reason to cut anybody off
}

// whyNoScreen tells a viewer whose display has gone what became of it, where
// that is known.
func (v *viewer) whyNoScreen(e ending) ending {
	if better, over := v.over(); over {
		return better
	}
	return e
}

// guarded turns a panic into an ending: what a guest or viewer sends must never
// end the server.
func (v *viewer) guarded(pump func() ending) (e ending) {
	defer func() {
		if p := recover(); p != nil {
			e = ending{code: websocket.StatusInternalError, text: "An internal error occurred.", why: "panic", err: fmt.Errorf("panic: %v", p)}
			v.s.c.Log.Error("a screen's connection", "page", v.page, "err", e.err)
		}
	}()
	return pump()
}

// fromViewer carries keys, pointer and clipboard to the guest.
func (v *viewer) fromViewer() ending {
	v.up.Rules = v.rules
	var out []byte
	var asked int64
	var message bytes.Buffer
	for {
		if message.Cap() > usual {
			message = bytes.Buffer{} // nobody copies a megabyte often
		}
		message.Reset()
		kind, r, err := v.ws.Reader(context.Background())
		if err == nil {
			_, err = message.ReadFrom(r)
		}
		if err != nil {
			return leftBy(err)
		}
		p := message.Bytes()
		v.in.Add(int64(len(p)))
		if kind == websocket.MessageText {
			if e, bad := v.note(p); bad {
				return e
			}
			continue
		}
		if out, err = v.up.Feed(p, out[:0]); err != nil {
			return ending{code: notSpoken, text: "The page sent what it may not.", why: "viewer", err: err}
		}
		v.inputs.Store(v.up.Inputs)
		if v.up.Sizes != asked {
			asked = v.up.Sizes
			v.wish(size{v.up.Width, v.up.Height})
		}
		if len(out) == 0 {
			continue
		}
		done := v.waits(&v.giving)
		_, err = v.guest.Write(out)
		done()
		if err != nil {
			return ending{code: lostScreen, text: "The screen does not answer.", why: "guest", err: err}
		}
	}
}

// leftBy is how a viewer went.
func leftBy(err error) ending {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		return ending{code: websocket.StatusNormalClosure, why: "left"}
	}
	if errors.Is(err, websocket.ErrMessageTooBig) {
		return ending{code: websocket.StatusMessageTooBig, text: "The page sent too much at once.", why: "viewer", err: err}
	}
	return ending{code: websocket.StatusNormalClosure, why: "lost", err: err}
}

// fromGuest carries pictures and clipboard to the viewer. A viewer that is slow
// holds up nobody but itself: the display waits for it before it draws more.
func (v *viewer) fromGuest() ending {
	var lost error
	down := &filter.Guest{Rules: v.rules, In: v.guest}
	down.Out = writerFunc(func(p []byte) (int, error) {
		done := v.waits(&v.sending)
		lost = v.ws.Write(context.Background(), websocket.MessageBinary, p)
		done()
		if lost != nil {
			return 0, lost
		}
		v.out.Add(int64(len(p)))
		if down.Updates > 0 {
			v.shown()
		}
		return len(p), nil
	})
	err := down.Run()
	switch {
	case lost != nil:
		return ending{code: websocket.StatusNormalClosure, why: "lost", err: lost}
	case errors.Is(err, filter.ErrProtocol):
		return ending{code: notSpoken, text: "The screen sent what is not understood.", why: "display", err: err}
	case errors.Is(err, io.EOF):
		err = nil
	}
	return ending{code: lostScreen, text: "The screen went away.", why: "guest", err: err}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// note is a message beside the screen, as JSON in a text message.
type note struct {
	Ping  int64 `json:"ping,omitempty"` // from the page; answered with the same number
	Pong  int64 `json:"pong,omitempty"`
	Hello *hail `json:"hello,omitempty"`
	Idle  *idle `json:"idle,omitempty"`
	// Here: from the page; its user does something on the page itself.
	Here bool `json:"here,omitempty"`
}

// hail is what a page is told when it is connected.
type hail struct {
	Title   string    `json:"title"`
	Until   time.Time `json:"until"`
	Now     time.Time `json:"now"` // by this server's clock
	Input   bool      `json:"input"`
	CopyIn  int       `json:"copyIn"`
	CopyOut int       `json:"copyOut"`
	// Upload and Download say which way files may go.
	Upload   bool `json:"upload"`
	Download bool `json:"download"`
	// Where a user goes when the session has ended, and where one says how it was.
	Redirect string `json:"redirect,omitempty"`
	Feedback string `json:"feedback,omitempty"`
}

// note answers a message beside the screen.
func (v *viewer) note(p []byte) (ending, bool) {
	var n note
	if len(p) > maxNote || json.Unmarshal(p, &n) != nil {
		return ending{code: notSpoken, text: "The page sent what it may not.", why: "viewer", err: errors.New("not a note")}, true
	}
	if n.Ping != 0 {
		v.tell(note{Pong: n.Ping})
	}
	if n.Here {
		v.stirs.Add(1)
	}
	return ending{}, false
}

// tell sends a message beside the screen. A viewer that does not take it in time
// is ended, which also ends the sending; the context is for the one who would
// have to end it, when it is he who tells.
func (v *viewer) tell(n note) {
	b, err := json.Marshal(n)
	if err != nil {
		return // numbers, texts and times
	}
	late := time.AfterFunc(v.s.c.Slow, func() {
		v.end(ending{code: tooSlow, text: "The connection is too slow.", why: "slow"})
	})
	defer late.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*v.s.c.Slow)
	defer cancel()
	_ = v.ws.Write(ctx, websocket.MessageText, b) // when it is gone, whoever reads from it notices
}

// reason cuts a sentence to what fits into a close frame.
func reason(s string) string {
	const most = 123
	if len(s) <= most {
		return s
	}
	n := most - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// comes bounds the time in which the rest of a request comes, until done is
// called: whoever has no right to anything may send one, and what is not read is
// waited for too. Who goes on after the last byte calls done, or is ended.
func comes(w http.ResponseWriter, within time.Duration) (done func()) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(within)) // recorders have none
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}

// goes bounds the time in which what is written goes, until done is called.
func goes(w http.ResponseWriter, within time.Duration) (done func()) {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(within)) // recorders have none
	return func() { _ = c.SetWriteDeadline(time.Time{}) }
}
