package service

import (
	"context"
	"regexp"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

var accountID = regexp.MustCompile(`^\d{12}$`)

// CreateAccount makes an account and an access key of its root; id may be "".
// Who may do this is decided by who asks (the admin API).
func (s *Service) CreateAccount(ctx context.Context, id, note string) (*domain.Account, *domain.AccessKey, error) {
	if id == "" {
		id = s.IDs.AccountID()
	}
	if !accountID.MatchString(id) {
		return nil, nil, fault.New(fault.BadValue, "%q is not an account id.", id).WithHint("An account id has 12 digits.")
	}
	a := &domain.Account{Note: note}
	a.Key = domain.Key{Kind: domain.KindAccount, Name: id}
	k := &domain.AccessKey{Secret: s.IDs.Secret(), Account: id}
	k.Key = domain.Key{Kind: domain.KindAccessKey, Name: s.IDs.AccessKey()}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Insert(a); err != nil {
			if fault.Is(err, fault.Exists) {
				return fault.New(fault.Exists, "The account %s exists.", id).WithHint("`slipway key create --account %s` makes another key for it.", id)
			}
			return err
		}
		return tx.Insert(k)
	})
	if err != nil {
		return nil, nil, err
	}
	return a, k, nil
}

// Accounts lists all accounts in order of id.
func (s *Service) Accounts(ctx context.Context) ([]*domain.Account, error) {
	var out []*domain.Account
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = store.List[domain.Account](tx, store.Query{Kind: domain.KindAccount})
		return err
	})
	return out, err
}

// RootOf is the root of an account, as a caller. fault.NotFound.
func (s *Service) RootOf(ctx context.Context, account string) (domain.Caller, error) {
	a := new(domain.Account)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(domain.Key{Kind: domain.KindAccount, Name: account}, a) })
	if fault.Is(err, fault.NotFound) {
		return domain.Caller{}, fault.New(fault.NotFound, "There is no account %s.", account).WithHint("`slipway account ls` lists them.")
	}
	return domain.Caller{Account: account, Kind: domain.CallerRoot, UserID: account, ARN: domain.ARN("iam", "", account, "root")}, err
}

// EveryKey lists all access keys, or those of one account; for the operator.
func (s *Service) EveryKey(ctx context.Context, account string) ([]*domain.AccessKey, error) {
	var out []*domain.AccessKey
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		out, err = store.List[domain.AccessKey](tx, store.Query{Kind: domain.KindAccessKey})
		return err
	})
	return keep(out, func(k *domain.AccessKey) bool { return account == "" || k.Account == account }), err
}

// FindKey finds an access key of any account; for the operator.
func (s *Service) FindKey(ctx context.Context, id string) (*domain.AccessKey, error) {
	k := new(domain.AccessKey)
	err := s.Store.View(ctx, func(tx store.Tx) error { return tx.Get(domain.Key{Kind: domain.KindAccessKey, Name: id}, k) })
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "There is no access key %s.", id).WithHint("`slipway key ls` lists them.")
	}
	return k, err
}

// RotateKey makes a new key for whoever an access key belongs to and disables
// the old one. A disabled second key makes room for it.
func (s *Service) RotateKey(ctx context.Context, id string) (*domain.AccessKey, error) {
	old, err := s.FindKey(ctx, id)
	if err != nil {
		return nil, err
	}
	k := &domain.AccessKey{Secret: s.IDs.Secret(), Account: old.Account, User: old.User}
	k.Key = domain.Key{Kind: domain.KindAccessKey, Name: s.IDs.AccessKey()}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		all, err := store.List[domain.AccessKey](tx, store.Query{Kind: domain.KindAccessKey, Alias: old.Alias()})
		if err != nil {
			return err
		}
		left := len(all)
		for _, other := range all {
			if other.Key != old.Key && other.Disabled {
				if err := tx.Delete(other.Key); err != nil {
					return err
				}
				left--
			}
		}
		if left >= domain.KeysPerUser {
			return overQuota("AccessKeysPerUser", domain.KeysPerUser).WithHint("Disable the key that is not used any more, then rotate again.")
		}
		if err := tx.Insert(k); err != nil {
			return err
		}
		if err := tx.Get(old.Key, old); err != nil {
			return err
		}
		old.Disabled = true
		return tx.Put(old)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// DisableKey disables any access key; for the operator.
func (s *Service) DisableKey(ctx context.Context, id string) (*domain.AccessKey, error) {
	k, err := s.FindKey(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.SetAccessKey(ctx, domain.Caller{Account: k.Account}, k.User, id, true)
	if err != nil {
		return nil, err
	}
	return s.FindKey(ctx, id)
}
