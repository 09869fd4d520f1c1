package stream

import (
	"context"
	"fmt"

	"slipway/domain"
	"slipway/service"
)

// Sessions are told what users do; see the methods of service.Service.
type Sessions interface {
	SessionConnected(ctx context.Context, session domain.Key, link string) error
	SessionDisconnected(ctx context.Context, session domain.Key, link string) error
	SessionActive(ctx context.Context, session domain.Key, link string) error
}

// take makes the connection the one that has the user's session: an earlier one
// has it no longer. Screens that are no session's need nothing.
func (v *viewer) take(scr *service.Screen) error {
	if scr.Session == nil || v.s.c.Sessions == nil {
		return nil
	}
	v.session, v.link = &scr.Session.Key, fmt.Sprintf("%s-%d", v.page, v.s.links.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), hello)
	defer cancel()
	return v.s.c.Sessions.SessionConnected(ctx, *v.session, v.link)
}

// giveBack tells that the connection is over: from now on the session waits for
// its user.
func (v *viewer) giveBack() {
	if v.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), hello)
	defer cancel()
	if err := v.s.c.Sessions.SessionDisconnected(ctx, *v.session, v.link); err != nil {
		v.s.c.Log.Warn("a session's end of connection was not written", "session", v.session.Name, "err", err)
	}
}

// mayStay looks after a connection that has a session: it tells of input, and
// ends for a user who did nothing for too long or has connected elsewhere.
func (v *viewer) mayStay(ctx context.Context, scr *service.Screen) (ending, bool) {
	now := scr.Session
	if v.session == nil || now == nil {
		return ending{}, false
	}
	if now.Link != v.link {
		return ending{code: ticketEnded, text: "This session was opened in another window.", why: "elsewhere"}, true
	}
	if n := v.inputs.Load(); n != v.told {
		v.told = n
		if err := v.s.c.Sessions.SessionActive(ctx, *v.session, v.link); err != nil {
			v.s.c.Log.Warn("a user's input was not written", "session", v.session.Name, "err", err)
		}
		return ending{}, false
	}
	if now.IdleOver {
		return ending{code: ticketEnded, text: "You were disconnected because keyboard and mouse were not used.", why: "idle"}, true
	}
	return ending{}, false
}
