package service

import (
	"context"
	"strings"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// Credential is what an access key id stands for: the secret that requests
// prove to know, and who they are then from (the Region is theirs to say).
type Credential struct {
	Secret string
	Token  string // "" for lasting keys
	Caller domain.Caller
}

// CodeExpired marks the refusal of temporary credentials that are past their end.
const CodeExpired = "Expired"

// Credential finds an access key, lasting or temporary. fault.Denied for one
// that is unknown, disabled, or without anybody behind it; with CodeExpired
// for one that is past its end.
func (s *Service) Credential(ctx context.Context, id string) (*Credential, error) {
	var out *Credential
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if strings.HasPrefix(id, domain.SessionKeyPrefix) {
			out, err = sessionCredential(tx, id)
		} else {
			out, err = lastingCredential(tx, id)
		}
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.Denied, err, "The access key %s is not known.", id)
	}
	return out, err
}

func lastingCredential(tx store.Tx, id string) (*Credential, error) {
	k := new(domain.AccessKey)
	if err := tx.Get(domain.Key{Kind: domain.KindAccessKey, Name: id}, k); err != nil {
		return nil, err
	}
	if k.Disabled {
		return nil, fault.New(fault.Denied, "The access key %s is disabled.", id)
	}
	c := domain.Caller{Account: k.Account, KeyID: id}
	if k.User == "" {
		c.Kind, c.UserID, c.ARN = domain.CallerRoot, k.Account, domain.ARN("iam", "", k.Account, "root")
		return &Credential{Secret: k.Secret, Caller: c}, nil
	}
	u := new(domain.User)
	if err := tx.Get(iamKey(k.Account, domain.KindUser, k.User), u); err != nil {
		return nil, err
	}
	c.Kind, c.Name, c.UserID, c.ARN = domain.CallerUser, k.User, u.ID, u.ARN()
	return &Credential{Secret: k.Secret, Caller: c}, nil
}

func sessionCredential(tx store.Tx, id string) (*Credential, error) {
	k := new(domain.SessionKey)
	if err := tx.Get(domain.Key{Kind: domain.KindSessionKey, Name: id}, k); err != nil {
		return nil, err
	}
	if !tx.Now().Before(k.Expires) {
		return nil, fault.New(fault.Denied, "The session of the access key %s has ended.", id).WithCode(CodeExpired)
	}
	if k.Guest != nil {
		if err := checkGuest(tx, k); err != nil {
			return nil, err
		}
	}
	return &Credential{Secret: k.Secret, Token: k.Token, Caller: domain.Caller{
		Account: k.Account, Kind: domain.CallerSession, Name: k.Role, UserID: k.RoleID + ":" + k.Session,
		ARN: k.ARN(), KeyID: id, Scoped: k.Scoped,
	}}, nil
}

// CreateAccessKey makes an access key for a user, or for the account's root
// when user is "".
func (s *Service) CreateAccessKey(ctx context.Context, c domain.Caller, user string) (*domain.AccessKey, error) {
	k := &domain.AccessKey{Secret: s.IDs.Secret(), Account: c.Account, User: user}
	k.Key = domain.Key{Kind: domain.KindAccessKey, Name: s.IDs.AccessKey()}
	err := s.Store.Update(ctx, func(tx store.Tx) error { return insertAccessKey(tx, k) })
	if err != nil {
		return nil, err
	}
	return k, nil
}

func insertAccessKey(tx store.Tx, k *domain.AccessKey) error {
	if k.User != "" {
		if _, err := getEntity(tx, k.Account, Holder{domain.KindUser, k.User}); err != nil {
			return err
		}
	}
	n, err := tx.Count(store.Query{Kind: domain.KindAccessKey, Alias: k.Alias()})
	if err != nil {
		return err
	}
	if n >= domain.KeysPerUser {
		return overQuota("AccessKeysPerUser", domain.KeysPerUser).WithHint("Delete the key that is not used any more.")
	}
	return tx.Insert(k)
}

// AccessKeys lists the access keys of a user, or of the root for "".
func (s *Service) AccessKeys(ctx context.Context, c domain.Caller, user string) ([]*domain.AccessKey, error) {
	var out []*domain.AccessKey
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		if user != "" {
			if _, err := getEntity(tx, c.Account, Holder{domain.KindUser, user}); err != nil {
				return err
			}
		}
		out, err = store.List[domain.AccessKey](tx, store.Query{Kind: domain.KindAccessKey, Alias: domain.KeyOwner(c.Account, user)})
		return err
	})
	return out, err
}

// AccessKey finds a key of the caller's account by id.
func (s *Service) AccessKey(ctx context.Context, c domain.Caller, id string) (*domain.AccessKey, error) {
	var k *domain.AccessKey
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		k, err = accessKey(tx, c, id)
		return err
	})
	return k, err
}

func accessKey(tx store.Tx, c domain.Caller, id string) (*domain.AccessKey, error) {
	k := new(domain.AccessKey)
	err := tx.Get(domain.Key{Kind: domain.KindAccessKey, Name: id}, k)
	if fault.Is(err, fault.NotFound) || err == nil && k.Account != c.Account {
		return nil, fault.New(fault.NotFound, "The Access Key with id %s cannot be found.", id)
	}
	return k, err
}

// ownKey finds a key and makes sure that it is that user's.
func ownKey(tx store.Tx, c domain.Caller, user, id string) (*domain.AccessKey, error) {
	k, err := accessKey(tx, c, id)
	if err == nil && k.User != user {
		return nil, fault.New(fault.NotFound, "The Access Key with id %s cannot be found.", id)
	}
	return k, err
}

// SetAccessKey enables or disables a key.
func (s *Service) SetAccessKey(ctx context.Context, c domain.Caller, user, id string, disabled bool) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		k, err := ownKey(tx, c, user, id)
		if err != nil {
			return err
		}
		if disabled {
			if err := s.checkLastKey(tx, k); err != nil {
				return err
			}
		}
		k.Disabled = disabled
		return tx.Put(k)
	})
}

// DeleteAccessKey removes a key.
func (s *Service) DeleteAccessKey(ctx context.Context, c domain.Caller, user, id string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		k, err := ownKey(tx, c, user, id)
		if err != nil {
			return err
		}
		if err := s.checkLastKey(tx, k); err != nil {
			return err
		}
		return tx.Delete(k.Key)
	})
}

// checkLastKey keeps the operator from locking everybody out.
func (s *Service) checkLastKey(tx store.Tx, k *domain.AccessKey) error {
	if k.User != "" || k.Disabled || k.Account != s.Config.Operator {
		return nil
	}
	all, err := store.List[domain.AccessKey](tx, store.Query{Kind: domain.KindAccessKey, Alias: k.Alias()})
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Key != k.Key && !other.Disabled {
			return nil
		}
	}
	return fault.New(fault.WrongState, "%s is the operator's only enabled access key.", k.Key.Name).
		WithHint("Make another one first: slipway key create.")
}
