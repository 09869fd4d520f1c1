package api

import (
	"context"
	"errors"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
)

// Keys looks access keys up for the wire: roots', users' and sessions'.
func Keys(s *service.Service) wire.Keys {
	return func(ctx context.Context, id string) (wire.Secret, error) {
		k, err := s.Credential(ctx, id)
		var f *fault.Error
		switch {
		case errors.As(err, &f) && f.Kind == fault.Denied && f.Code == service.CodeExpired:
			return wire.Secret{}, wire.ErrExpiredKey
		case fault.Is(err, fault.Denied):
			return wire.Secret{}, wire.ErrUnknownKey
		case err != nil:
			return wire.Secret{}, err
		}
		c := k.Caller
		who := wire.Identity{AccessKeyID: id, Account: c.Account, ARN: c.ARN, UserID: c.UserID, Kind: string(c.Kind)}
		if c.Name != "" {
			who.Attributes = map[string]string{convert.AttributeName: c.Name}
		}
		if c.Scoped {
			who.Attributes[convert.AttributeScoped] = "1"
		}
		return wire.Secret{Key: k.Secret, SessionToken: k.Token, Identity: who}, nil
	}
}
