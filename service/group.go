package service

import (
	"context"
	"slices"
	"sort"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

func groupExists(name string) error {
	return fault.New(fault.Exists, "Group with name %s already exists.", name)
}

// CreateGroup makes a group without users and permissions.
func (s *Service) CreateGroup(ctx context.Context, c domain.Caller, g domain.Group) (*domain.Group, error) {
	if g.Path == "" {
		g.Path = "/"
	}
	g.ID = s.IDs.GroupID()
	g.Key = iamKey(c.Account, domain.KindGroup, g.Key.Name)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		return insertEntity(tx, &g, domain.GroupsPerAccount, "GroupsPerAccount", groupExists(g.Key.Name))
	})
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// Group finds a group of the caller's account and its users, in order of name.
func (s *Service) Group(ctx context.Context, c domain.Caller, name string) (g *domain.Group, users []*domain.User, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, c.Account, Holder{domain.KindGroup, name})
		if err != nil {
			return err
		}
		g = e.(*domain.Group)
		who, err := tx.Referrers(g.Key, domain.KindUser)
		if err != nil {
			return err
		}
		for _, k := range who {
			u := new(domain.User)
			if err := tx.Get(k, u); err != nil {
				return err
			}
			users = append(users, u)
		}
		return nil
	})
	return g, users, err
}

// Groups lists the groups whose path begins with prefix, in order of name; of
// one user where that is given.
func (s *Service) Groups(ctx context.Context, c domain.Caller, prefix string, user string) ([]*domain.Group, error) {
	var out []*domain.Group
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if user == "" {
			out, err = store.List[domain.Group](tx, store.Query{Kind: domain.KindGroup, Account: c.Account})
			return err
		}
		u, err := getEntity(tx, c.Account, Holder{domain.KindUser, user})
		if err != nil {
			return err
		}
		for _, n := range u.(*domain.User).Groups {
			g, err := getEntity(tx, c.Account, Holder{domain.KindGroup, n})
			if err != nil {
				return err
			}
			out = append(out, g.(*domain.Group))
		}
		return nil
	})
	return keep(out, func(g *domain.Group) bool { return strings.HasPrefix(g.Path, prefix) }), err
}

// DeleteGroup removes a group that has neither users nor policies left.
func (s *Service) DeleteGroup(ctx context.Context, c domain.Caller, name string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := getEntity(tx, c.Account, Holder{domain.KindGroup, name})
		if err != nil {
			return err
		}
		users, err := tx.Referrers(e.Head().Key, domain.KindUser)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return conflict("must remove users from group first.")
		}
		if err := checkUnused(e); err != nil {
			return err
		}
		return tx.Delete(e.Head().Key)
	})
}

// JoinGroup adds a user to a group; repeatable.
func (s *Service) JoinGroup(ctx context.Context, c domain.Caller, group, user string) error {
	return s.member(ctx, c, group, user, func(tx store.Tx, u *domain.User, g domain.Key) error {
		if slices.Contains(u.Groups, g.Name) {
			return nil
		}
		if len(u.Groups) >= domain.GroupsPerUser {
			return overQuota("GroupsPerUser", domain.GroupsPerUser)
		}
		u.Groups = append(u.Groups, g.Name)
		sort.Strings(u.Groups)
		return tx.Refer(u.Key, g)
	})
}

// LeaveGroup takes a user out of a group; repeatable.
func (s *Service) LeaveGroup(ctx context.Context, c domain.Caller, group, user string) error {
	return s.member(ctx, c, group, user, func(tx store.Tx, u *domain.User, g domain.Key) error {
		u.Groups = slices.DeleteFunc(u.Groups, func(n string) bool { return n == g.Name })
		return tx.Unrefer(u.Key, g)
	})
}

func (s *Service) member(ctx context.Context, c domain.Caller, group, user string, change func(tx store.Tx, u *domain.User, g domain.Key) error) error {
	return s.changeEntity(ctx, c, Holder{domain.KindUser, user}, func(tx store.Tx, e entity) error {
		g, err := getEntity(tx, c.Account, Holder{domain.KindGroup, group})
		if err != nil {
			return err
		}
		return change(tx, e.(*domain.User), g.Head().Key)
	})
}
