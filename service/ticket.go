package service

import (
	"context"
	"math"
	"net/url"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Streaming says where screens are looked at.
type Streaming struct {
	Base string // origin and path of the pages, known once the server listens
	// Endpoints are the same for each access endpoint that is on this server.
	Endpoints map[string]string
}

// StreamToken is the query parameter that carries the token of an address.
const StreamToken = "token"

func pageAddress(base, token string) string {
	return base + "?" + url.Values{StreamToken: {token}}.Encode()
}

// Screen is what the holder of a ticket may look at.
type Screen struct {
	Ticket  *domain.Ticket
	Machine string
	Title   string // for people; any text
	// Until is when looking ends; whoever looks then is told and cut off.
	Until time.Time
	// Session is what a page shows about a user's session; nil for a builder's
	// screen. While its guest is being started there is no Machine.
	Session *SessionNow
	// CopyIn and CopyOut are how many bytes of text may go into and out of the
	// guest's clipboard at once; 0 for none.
	CopyIn, CopyOut int
	// Application is what the page's user came for: a name of the catalogue,
	// Desktop, or "" to choose. Upload and Download allow files.
	Application      string
	Upload, Download bool
	// Redirect and Feedback are addresses for a user whose session has ended.
	Redirect, Feedback string
	Embedders          []string // hosts whose pages may frame this one
}

// anyText is no bound of the clipboard but the gateway's own.
const anyText = math.MaxInt32

// issue writes a ticket and returns the address that is handed out, at one of
// the access endpoints if there are any; the ticket says what it is for. It may
// be opened for life.
func (s *Service) issue(tx store.Tx, t *domain.Ticket, endpoints []domain.AccessEndpoint, life time.Duration) (address string, err error) {
	if s.Config.Streaming == nil || s.Config.Streaming.Base == "" {
		return "", fault.New(fault.Unsupported, "This server has no streaming pages.")
	}
	base, err := s.Config.Streaming.base(endpoints)
	if err != nil {
		return "", err
	}
	token, err := s.insertTicket(tx, t, life)
	return pageAddress(base, token), err
}

func (s *Service) insertTicket(tx store.Tx, t *domain.Ticket, life time.Duration) (token string, err error) {
	t.Key = domain.Key{Kind: domain.KindTicket, Name: s.IDs.TicketID()}
	t.Expires = tx.Now().Add(life)
	token = t.Seal(s.IDs.TicketSecret())
	if err := tx.Insert(t); err != nil {
		return "", err
	}
	return token, sweep[domain.Ticket](tx, domain.KindTicket, s.IDs.TicketID())
}

// checkValidity is how long an address may be opened. seconds is what a caller
// asked for; nil is the standard.
func checkValidity(seconds *int64, standard int64) (time.Duration, error) {
	if seconds == nil {
		seconds = &standard
	}
	if *seconds < domain.ValidityMin || *seconds > domain.ValidityMax {
		return 0, fault.New(fault.BadValue, "Validity is %d: it must be from %d to %d seconds.", *seconds, domain.ValidityMin, domain.ValidityMax)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// OpenAddress takes the token of an address and returns the screen it is for
// and the token of the page that may look at it from now on. An address may be
// opened again until it expires. Errors: Denied (unknown, changed, expired),
// NotFound and WrongState (there is nothing to look at), Quota.
func (s *Service) OpenAddress(ctx context.Context, token string) (scr *Screen, page string, err error) {
	// Whoever has no good token is not let near the store's only writer.
	err = s.Store.View(ctx, func(tx store.Tx) error { _, err := addressOf(tx, token); return err })
	if err != nil {
		return nil, "", err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := addressOf(tx, token)
		if err != nil {
			return err
		}
		subject := t.Subject
		if t.Purpose == domain.ForSession {
			x, err := s.openSession(ctx, tx, t)
			if err != nil {
				return err
			}
			subject = x.Key
		} else if _, err = s.screenOf(ctx, tx, t); err != nil {
			return err
		}
		n, err := tx.Count(store.Query{Kind: domain.KindTicket, Alias: t.Key.Name})
		if err != nil {
			return err
		}
		if n >= domain.PagesPerTicket {
			return fault.New(fault.Quota, "This address was opened %d times already.", n).WithHint("Ask for a new one.")
		}
		own := &domain.Ticket{Purpose: t.Purpose, Subject: subject, Machine: t.Machine, User: t.User, Page: t.Key.Name, Session: t.Session}
		if page, err = s.insertTicket(tx, own, domain.PageLife); err != nil {
			return err
		}
		scr, err = s.screenOf(ctx, tx, own)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return scr, page, nil
}

// Screen is what the holder of a page's token may look at now. Errors as of
// OpenAddress.
func (s *Service) Screen(ctx context.Context, page string) (scr *Screen, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		t, err := ticketOf(tx, page)
		if err != nil {
			return err
		}
		if t.Page == "" {
			return badTicket()
		}
		scr, err = s.screenOf(ctx, tx, t)
		return err
	})
	return scr, err
}

// addressOf finds the ticket of an address.
func addressOf(tx store.Tx, token string) (*domain.Ticket, error) {
	t, err := ticketOf(tx, token)
	if err == nil && t.Page != "" {
		err = badTicket()
	}
	return t, err
}

// ticketOf finds the ticket of a token. That somebody else has such a ticket is
// not told.
func ticketOf(tx store.Tx, token string) (*domain.Ticket, error) {
	name, secret, ok := domain.CutTicket(token)
	if !ok {
		return nil, badTicket()
	}
	t := new(domain.Ticket)
	err := tx.Get(domain.Key{Kind: domain.KindTicket, Name: name}, t)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, badTicket()
	case err != nil:
		return nil, err
	case !t.Fits(secret):
		return nil, badTicket()
	case t.Ended(tx.Now()):
		return nil, fault.New(fault.Denied, "This streaming address has expired.").WithCode(TicketExpired).WithHint("Ask for a new one.")
	}
	return t, nil
}

// TicketExpired is the code of the error about a ticket that was good once.
const TicketExpired = "expired"

func badTicket() error {
	return fault.New(fault.Denied, "This streaming address is not valid.").WithHint("It may be incomplete: copy all of it, or ask for a new one.")
}

// screenOf finds what a ticket is for, as it is now.
func (s *Service) screenOf(ctx context.Context, tx store.Tx, t *domain.Ticket) (*Screen, error) {
	switch t.Purpose {
	case domain.ForBuilder:
		return builderScreen(ctx, tx, t)
	case domain.ForSession:
		return s.sessionScreen(ctx, tx, t)
	}
	return nil, badTicket()
}
