package stream

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"

	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// A user's session has one connection at a time; the use cases are told when it
// comes, when it goes, and that its user is there.

// Close codes of sessions. After both, the page connects again only when its
// user says so: by itself it would take the session back and forth.
const (
	takenOver  websocket.StatusCode = 4005 // another window has the session
	didNothing websocket.StatusCode = 4006 // the idle limit
)

// Sessions are the use cases of users' sessions; see service.
type Sessions interface {
	SessionConnected(ctx context.Context, key domain.Key, link string) error
	SessionDisconnected(ctx context.Context, key domain.Key, link string) error
	SessionActive(ctx context.Context, key domain.Key, link string) error
	EndSession(ctx context.Context, key domain.Key) error
	SessionApplications(ctx context.Context, key domain.Key) ([]service.SessionApplication, error)
	SessionLaunched(ctx context.Context, key domain.Key, application string) error
}

// take gives the session, if there is one, to this connection.
func (v *viewer) take(ctx context.Context, scr *service.Screen) error {
	switch {
	case scr.Session == nil:
		return nil
	case scr.Machine == "":
		return fault.New(fault.WrongState, "The session is being prepared.")
	}
	v.session, v.link, v.since = scr.Session.Key, v.s.c.NewLink(), waited(scr)
	return v.s.c.Sessions.SessionConnected(ctx, v.session, v.link)
}

// giveBack tells that the connection has ended; repeatable.
func (v *viewer) giveBack() {
	if v.link == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), hello)
	defer cancel()
	if err := v.s.c.Sessions.SessionDisconnected(ctx, v.session, v.link); err != nil {
		v.s.c.Log.Warn("a session's connection cannot be written down", "session", v.session.Name, "err", err)
	}
}

// busy tells the session that its user used keyboard or pointer since it was
// told last.
func (v *viewer) busy(ctx context.Context) {
	n := v.inputs.Load() + v.stirs.Load()
	if v.link == "" || n == v.told {
		return
	}
	v.told = n
	if err := v.s.c.Sessions.SessionActive(ctx, v.session, v.link); err != nil && !fault.Is(err, fault.WrongState) && !fault.Is(err, fault.NotFound) {
		v.s.c.Log.Warn("a session's activity cannot be written down", "session", v.session.Name, "err", err)
	}
}

// mayStay looks at the limits of a session, and warns its user before the one
// that can still be prevented.
func (v *viewer) mayStay(scr *service.Screen) (ending, bool) {
	now := scr.Session
	switch {
	case v.link == "" || now == nil:
		return ending{}, false
	case now.Link != v.link:
		return ending{code: takenOver, text: "The session goes on in another window.", why: "taken-over"}, true
	case now.IdleOver:
		return ending{code: didNothing, text: "You were disconnected because you did nothing for " + minutes(now.Idle) + ".", why: "idle"}, true
	}
	if now.IdleSoon != v.warned {
		v.warned = now.IdleSoon
		v.tell(note{Idle: &idle{Soon: now.IdleSoon, At: now.IdleAt}})
	}
	return ending{}, false
}

// idle is what a user who does nothing is told, and when that is over.
type idle struct {
	Soon bool      `json:"soon"`
	At   time.Time `json:"at,omitzero"` // then the connection is closed
}

func minutes(d time.Duration) string {
	return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
}

// endSession ends the session of a page for good, because its user said so.
func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	if !s.sameOrigin(r) {
		http.Error(w, "This is for the streaming page of this server alone.", http.StatusForbidden)
		return
	}
	scr, _, _, err := s.pageOf(r)
	if err == nil && scr.Session == nil {
		err = fault.New(fault.Unsupported, "An image builder is stopped with StopImageBuilder.")
	}
	if err == nil {
		err = s.c.Sessions.EndSession(r.Context(), scr.Session.Key)
	}
	if err != nil {
		s.answer(w, statusOf(err), Status{Error: fault.Public(err), Final: final(err)})
		return
	}
	s.answer(w, http.StatusOK, Status{Final: true})
}

// host is what may stand in a policy: a name, perhaps for all names below it.
var host = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])$`)

// framed lets the pages of those hosts show this page in a frame.
func framed(h http.Header, hosts []string) {
	var good []string
	for _, name := range hosts {
		if host.MatchString(name) {
			good = append(good, name)
		}
	}
	if len(good) == 0 {
		return
	}
	h.Set("Content-Security-Policy", strings.Replace(policy, "frame-ancestors 'none'", "frame-ancestors "+strings.Join(good, " "), 1))
	h.Del("X-Frame-Options")
}

// elsewhere is an address that a page may send its user to; "" for one that
// could run a program there.
func elsewhere(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return u.String()
}
