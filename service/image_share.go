package service

import (
	"context"
	"maps"
	"slices"
	"sort"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// ImageShare is who may use an image and for what.
type ImageShare struct {
	Account string
	domain.ImagePermission
}

// ShareImage lets another account use an image of the caller's; a permission
// for nothing takes all back.
func (s *Service) ShareImage(ctx context.Context, c domain.Caller, name string, with ImageShare) error {
	switch {
	case !domain.IsAccountID(with.Account):
		return fault.New(fault.BadValue, "SharedAccountId %s is not the id of an account.", with.Account).WithHint("Account ids have 12 digits.")
	case with.Account == c.Account:
		return fault.New(fault.BadValue, "The image %s cannot be shared with account %s, which owns it.", name, c.Account)
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		img, err := ownImage(tx, c, name)
		if err != nil {
			return err
		}
		if err := mustBeAvailable(img); err != nil {
			return err
		}
		if with.ImagePermission == (domain.ImagePermission{}) {
			return unshareImage(tx, img, with.Account)
		}
		if _, had := img.Shares[with.Account]; !had {
			if err := room(tx, img.Key.Scope, domain.QuotaImageShares, "", len(img.Shares)); err != nil {
				return err
			}
		}
		if img.Shares == nil {
			img.Shares = map[string]domain.ImagePermission{}
		}
		img.Shares[with.Account] = with.ImagePermission
		if !with.Fleet {
			if err := emptyFleets(tx, img, with.Account); err != nil {
				return err
			}
		}
		if err := tx.Refer(domain.AccountKey(with.Account), img.Key); err != nil {
			return err
		}
		return tx.Put(img)
	})
}

// UnshareImage takes every permission of an account back.
func (s *Service) UnshareImage(ctx context.Context, c domain.Caller, name, account string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		img, err := ownImage(tx, c, name)
		if err != nil {
			return err
		}
		if _, ok := img.Shares[account]; !ok {
			return fault.New(fault.NotFound, "The image %s is not shared with account %s.", name, account)
		}
		if err := mustBeAvailable(img); err != nil {
			return err
		}
		return unshareImage(tx, img, account)
	})
}

func unshareImage(tx store.Tx, img *domain.Image, account string) error {
	if _, ok := img.Shares[account]; !ok {
		return nil
	}
	delete(img.Shares, account)
	if err := tx.Unrefer(domain.AccountKey(account), img.Key); err != nil {
		return err
	}
	if err := emptyFleets(tx, img, account); err != nil {
		return err
	}
	return tx.Put(img)
}

// emptyFleets makes the fleets of an account want no instances of an image that
// the account may not use for fleets any more; sessions go on to their end
// (developer guide, "Administer images").
func emptyFleets(tx store.Tx, img *domain.Image, account string) error {
	users, err := tx.Referrers(img.Key, domain.KindFleet)
	for _, k := range users {
		if err != nil || k.Account != account {
			continue
		}
		f := new(domain.Fleet)
		if err = tx.Get(k, f); err == nil {
			f.Desired, f.DesiredSessions = 0, 0
			err = tx.Put(f)
		}
		if err == nil {
			err = tx.Append(domain.LogEntry{Key: k, Event: "image-unshared", From: f.State, To: f.State})
		}
	}
	return err
}

// ImageShares lists whom an image of the caller's is shared with, in order of
// account; accounts empty means all.
func (s *Service) ImageShares(ctx context.Context, c domain.Caller, name string, accounts []string, after string, limit int) (out []ImageShare, next string, err error) {
	img := new(domain.Image)
	err = s.Store.View(ctx, func(tx store.Tx) (err error) {
		img, err = ownImage(tx, c, name)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for _, a := range slices.Sorted(maps.Keys(img.Shares)) {
		switch {
		case a <= after, len(accounts) > 0 && !slices.Contains(accounts, a):
		case limit > 0 && len(out) == limit:
			return out, out[limit-1].Account, nil
		default:
			out = append(out, ImageShare{Account: a, ImagePermission: img.Shares[a]})
		}
	}
	return out, "", nil
}

// ownImage finds an image of the caller's: a name of an image that is only
// shared with them means nothing.
func ownImage(tx store.Tx, c domain.Caller, name string) (*domain.Image, error) {
	img := new(domain.Image)
	err := tx.Get(c.Key(domain.KindImage, name), img)
	if fault.Is(err, fault.NotFound) {
		return nil, noImage(name, c)
	}
	return img, err
}

func mustBeAvailable(img *domain.Image) error {
	if img.State != domain.ImageAvailable {
		return fault.New(fault.NotAvailable, "The image %s is %s. The image must be in an AVAILABLE state for this action to succeed.", img.Key.Name, img.State)
	}
	return nil
}

// sharedWith lists the keys of what a kind of resource others share with an
// account, or with everybody, in a Region; ordered by owner and name.
func sharedWith(tx store.Tx, c domain.Caller, k domain.Kind) ([]domain.Key, error) {
	seen := map[domain.Key]bool{}
	var out []domain.Key
	for _, from := range []domain.Key{domain.AccountKey(c.Account), domain.Everyone()} {
		keys, err := tx.References(from)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if key.Kind == k && key.In(c.Region) && key.Account != c.Account && !seen[key] {
				seen[key] = true
				out = append(out, key)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].Account < out[j].Account || out[i].Account == out[j].Account && out[i].Name < out[j].Name
	})
	return out, nil
}

// unshareAll forgets who a resource was shared with, before it goes.
func unshareAll(tx store.Tx, key domain.Key) error {
	with, err := tx.Referrers(key, domain.KindAccount)
	for _, a := range with {
		if err == nil {
			err = tx.Unrefer(a, key)
		}
	}
	return err
}

// seen is an image as somebody who is not its owner knows it.
func seen(img *domain.Image, c domain.Caller) *domain.Image {
	if img.Key.Account == c.Account {
		return img
	}
	img.Key.Region = c.Region // of a public image: the Region it is seen in
	if img.Visibility != domain.VisibilityPublic {
		img.Visibility = domain.VisibilityShared
	}
	p, ok := img.Shares[c.Account]
	img.Shares, img.RoleARN, img.Tags = nil, "", nil
	if ok {
		img.Shares = map[string]domain.ImagePermission{c.Account: p}
	}
	return img
}

// visible tells whether somebody may know of an image.
func visible(img *domain.Image, c domain.Caller) bool {
	_, shared := img.Shares[c.Account]
	return shared || img.Key.Account == c.Account || img.Visibility == domain.VisibilityPublic
}
