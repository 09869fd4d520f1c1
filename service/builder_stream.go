package service

import (
	"context"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// BuilderAddress makes the address at which a running builder's screen is
// looked at. seconds is how long it may be opened; nil is an hour.
func (s *Service) BuilderAddress(ctx context.Context, c domain.Caller, name string, seconds *int64) (address string, expires time.Time, err error) {
	life, err := checkValidity(seconds, domain.ValidityBuilderDefault)
	if err != nil {
		return "", time.Time{}, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		b, err := ownBuilder(tx, c, name)
		if err != nil {
			return err
		}
		if b.State != domain.BuilderRunning {
			return fault.New(fault.WrongState, "The image builder %s is %s. The image builder must be RUNNING for this action to succeed.", name, b.State)
		}
		t := &domain.Ticket{Purpose: domain.ForBuilder, Subject: b.Key, Machine: b.Machine, User: c.ARN}
		address, err = s.issue(tx, t, b.Endpoints, life)
		expires = t.Expires
		return err
	})
	return address, expires, err
}

// builderScreen is the screen of a builder, while it is the same builder and
// runs.
func builderScreen(ctx context.Context, tx store.Tx, t *domain.Ticket) (*Screen, error) {
	b := new(domain.Builder)
	err := tx.Get(t.Subject, b)
	if err == nil && b.Machine != t.Machine || fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "The image builder %s does not exist any more.", t.Subject.Name)
	}
	if err != nil {
		return nil, err
	}
	if err := mayEnter(ctx, b.Endpoints); err != nil {
		return nil, err
	}
	if b.State != domain.BuilderRunning {
		return nil, fault.New(fault.WrongState, "The image builder %s is %s. It has a screen while it is RUNNING.", b.Key.Name, b.State)
	}
	title := b.DisplayName
	if title == "" {
		title = b.Key.Name
	}
	return &Screen{Ticket: t, Machine: b.Machine, Title: title, Until: t.Expires, CopyIn: anyText, CopyOut: anyText}, nil
}

// PageBuilder is the image builder whose screen a page was opened for, in
// whatever state it is, and who acts there. Errors: Denied; NotFound (it is gone,
// or the page is no builder's).
func (s *Service) PageBuilder(ctx context.Context, page string) (c domain.Caller, builder string, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		t, err := ticketOf(tx, page)
		if err != nil {
			return err
		}
		gone := fault.New(fault.NotFound, "The image builder %s does not exist any more.", t.Subject.Name)
		if t.Page == "" || t.Purpose != domain.ForBuilder {
			return badTicket()
		}
		b := new(domain.Builder)
		if err := tx.Get(t.Subject, b); fault.Is(err, fault.NotFound) || err == nil && b.Machine != t.Machine {
			return gone
		} else if err != nil {
			return err
		}
		if err := mayEnter(ctx, b.Endpoints); err != nil {
			return err
		}
		c, builder = domain.Caller{Account: b.Key.Account, Region: b.Key.Region, ARN: t.User}, b.Key.Name
		return nil
	})
	return c, builder, err
}
