package service

import (
	"context"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// What the gateway tells about the users it has, and asks. A link is one
// connection of a browser; the gateway names it. Nothing here ends a session but
// EndSession: the keeper of fleets does when a time is up, and the gateway sees
// it in SessionNow.

// SessionNow is what a page shows about its session.
type SessionNow struct {
	*domain.Session
	Link      string    // the connection that has it; another one must close
	Ends      time.Time // at the latest
	EndsSoon  bool      // users are told
	IdleAt    time.Time // when one who does nothing is disconnected; zero: never
	IdleSoon  bool
	IdleOver  bool // the gateway disconnects now
	StackName string
}

// SessionNow reads a session. One that has ended can be asked for during
// domain.SessionKept; then NotFound.
func (s *Service) SessionNow(ctx context.Context, key domain.Key) (now SessionNow, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		x := new(domain.Session)
		if err := tx.Get(key, x); fault.Is(err, fault.NotFound) {
			return noSession()
		} else if err != nil {
			return err
		}
		now = s.sessionNow(tx, x)
		return nil
	})
	return now, err
}

func noSession() error { return fault.New(fault.NotFound, "The session has ended.") }

func (s *Service) sessionNow(tx store.Tx, x *domain.Session) SessionNow {
	out := SessionNow{Session: x, Ends: x.Ends, IdleAt: x.IdleAt(), StackName: x.Stack}
	if x.State == domain.SessionExpired {
		return out
	}
	out.EndsSoon = !tx.Now().Before(x.Ends.Add(-domain.SessionWarning))
	if x.Connected(s.Store.Epoch()) {
		out.Link = x.Link
	}
	if !out.IdleAt.IsZero() {
		out.IdleSoon = !tx.Now().Before(out.IdleAt.Add(-domain.SessionIdleWarning))
		out.IdleOver = !tx.Now().Before(out.IdleAt)
	}
	return out
}

// SessionConnected tells that link has the session from now on; an earlier one
// has it no longer. WrongState: the session's guest is not up, or it has ended.
func (s *Service) SessionConnected(ctx context.Context, key domain.Key, link string) error {
	return s.changeSession(ctx, key, comesOrGoes, func(tx store.Tx, x *domain.Session) bool {
		x.Link, x.Epoch, x.Active = link, s.Store.Epoch(), tx.Now()
		return true
	})
}

// SessionDisconnected tells that link is gone; one that another has replaced
// means nothing.
func (s *Service) SessionDisconnected(ctx context.Context, key domain.Key, link string) error {
	err := s.changeSession(ctx, key, comesOrGoes, func(tx store.Tx, x *domain.Session) bool {
		if x.Link != link || x.Epoch != s.Store.Epoch() {
			return false
		}
		x.Link, x.Left = "", tx.Now()
		return true
	})
	if fault.Is(err, fault.WrongState) || fault.Is(err, fault.NotFound) {
		return nil // it ended before its connection did
	}
	return err
}

// SessionActive tells that link's user used keyboard or mouse. It may be called
// as often as one likes, though once in some seconds is enough: a time is written
// only when it matters for the idle limit.
func (s *Service) SessionActive(ctx context.Context, key domain.Key, link string) error {
	now, err := s.SessionNow(ctx, key)
	if err != nil || now.Idle == 0 || now.Link != link {
		return err
	}
	fresh := false
	err = s.Store.View(ctx, func(tx store.Tx) error { fresh = tx.Now().Sub(now.Active) < now.Idle/16; return nil })
	if err != nil || fresh {
		return err
	}
	return s.changeSession(ctx, key, "", func(tx store.Tx, x *domain.Session) bool {
		x.Active = tx.Now()
		return x.Link == link
	})
}

// comesOrGoes is what the log says of a session's user, for the keeper of fleets.
const comesOrGoes domain.Event = "changed"

// changeSession changes a session that is ACTIVE; change says whether there is
// anything to write. What is "" is not in the log, which would be as long as all
// the work that is done.
func (s *Service) changeSession(ctx context.Context, key domain.Key, what domain.Event, change func(tx store.Tx, x *domain.Session) bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		x := new(domain.Session)
		if err := tx.Get(key, x); fault.Is(err, fault.NotFound) {
			return noSession()
		} else if err != nil {
			return err
		}
		if x.State != domain.SessionActive {
			return fault.New(fault.WrongState, "The session is %s.", x.State)
		}
		if !change(tx, x) {
			return nil
		}
		if err := tx.Put(x); err != nil || what == "" {
			return err
		}
		return tx.Append(domain.LogEntry{Key: key, Alias: x.Alias(), Event: what, From: x.State, To: x.State})
	})
}

// sessionScreen is the screen of a session's instance; without a machine while
// that is being started.
func (s *Service) sessionScreen(ctx context.Context, tx store.Tx, t *domain.Ticket) (*Screen, error) {
	x := new(domain.Session)
	if err := tx.Get(t.Subject, x); fault.Is(err, fault.NotFound) || err == nil && x.State == domain.SessionExpired {
		return nil, noSession()
	} else if err != nil {
		return nil, err
	}
	n := new(domain.Stack)
	if err := tx.Get(x.StackKey(), n); err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err := mayEnter(ctx, n.Endpoints); err != nil {
		return nil, err
	}
	now := s.sessionNow(tx, x)
	out := &Screen{Ticket: t, Title: n.DisplayName, Until: x.Ends, Session: &now,
		CopyIn: textOf(n, domain.ActionCopyIn), CopyOut: textOf(n, domain.ActionCopyOut), Redirect: n.RedirectURL, Feedback: n.FeedbackURL, Embedders: n.Embedders}
	if out.Title == "" {
		out.Title = x.Stack
	}
	if t.Session != nil {
		out.Application = t.Session.Application
	}
	out.Upload, _ = n.Allows(domain.ActionUpload)
	out.Download, _ = n.Allows(domain.ActionDownload)
	if x.State == domain.SessionActive {
		out.Machine = x.Instance
	}
	return out, nil
}

// textOf is how much text users of a stack may copy at once.
func textOf(n *domain.Stack, action string) int {
	switch allowed, most := n.Allows(action); {
	case !allowed:
		return 0
	case most == 0:
		return anyText
	default:
		return int(most)
	}
}
