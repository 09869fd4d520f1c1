package service

import (
	"context"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// CreateUser makes a user without any permission.
func (s *Service) CreateUser(ctx context.Context, c domain.Caller, u domain.User) (*domain.User, error) {
	if u.Path == "" {
		u.Path = "/"
	}
	u.ID = s.IDs.UserID()
	u.Key = iamKey(c.Account, domain.KindUser, u.Key.Name)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		err := insertEntity(tx, &u, domain.UsersPerAccount, "UsersPerAccount",
			fault.New(fault.Exists, "User with name %s already exists.", u.Key.Name))
		if err != nil {
			return err
		}
		return checkBoundary(tx, c, &u)
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// User finds a user of the caller's account.
func (s *Service) User(ctx context.Context, c domain.Caller, name string) (*domain.User, error) {
	e, err := s.readEntity(ctx, c, Holder{domain.KindUser, name})
	if err != nil {
		return nil, err
	}
	return e.(*domain.User), nil
}

// Users lists the users whose path begins with prefix, in order of name.
func (s *Service) Users(ctx context.Context, c domain.Caller, prefix string) ([]*domain.User, error) {
	var out []*domain.User
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = store.List[domain.User](tx, store.Query{Kind: domain.KindUser, Account: c.Account})
		return err
	})
	return keep(out, func(u *domain.User) bool { return strings.HasPrefix(u.Path, prefix) }), err
}

// DeleteUser removes a user that has neither policies nor access keys left.
func (s *Service) DeleteUser(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, c.Account, Holder{domain.KindUser, name})
		if err != nil {
			return err
		}
		n, err := tx.Count(store.Query{Kind: domain.KindAccessKey, Alias: domain.KeyOwner(c.Account, name)})
		if err != nil {
			return err
		}
		if n > 0 {
			return conflict("must delete access keys first.")
		}
		if len(e.(*domain.User).Groups) > 0 {
			return conflict("must remove user from all groups first.")
		}
		if err := checkUnused(e); err != nil {
			return err
		}
		return tx.Delete(e.Head().Key)
	})
}
