package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
)

// Identities is the part of a Source that knows who may call and makes accounts
// and access keys.
type Identities interface {
	// May refuses (Denied) a caller who may not do the action.
	May(ctx context.Context, action string) error
	Accounts(ctx context.Context) ([]adminapi.Account, error)
	CreateAccount(ctx context.Context, in adminapi.CreateAccountRequest) (adminapi.NewAccount, error)
	// Keys lists the access keys of an account; of all for "".
	Keys(ctx context.Context, account string) ([]adminapi.Key, error)
	CreateKey(ctx context.Context, in adminapi.CreateKeyRequest) (adminapi.Key, error)
	// RotateKey makes a new key in the place of one that is disabled by it.
	RotateKey(ctx context.Context, id string) (adminapi.Key, error)
	// DisableKey may be repeated.
	DisableKey(ctx context.Context, id string) (adminapi.Key, error)
}

func (h *handler) accounts(r *http.Request) (any, error) {
	all, err := h.src.Accounts(r.Context())
	return adminapi.Accounts{Accounts: list(all)}, err
}

func (h *handler) createAccount(r *http.Request) (any, error) {
	var in adminapi.CreateAccountRequest
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return h.src.CreateAccount(r.Context(), in)
}

func (h *handler) keys(r *http.Request) (any, error) {
	all, err := h.src.Keys(r.Context(), r.URL.Query().Get("account"))
	return adminapi.Keys{Keys: list(all)}, err
}

func (h *handler) createKey(r *http.Request) (any, error) {
	var in adminapi.CreateKeyRequest
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return h.src.CreateKey(r.Context(), in)
}

func (h *handler) rotateKey(r *http.Request) (any, error) {
	return h.src.RotateKey(r.Context(), r.PathValue("id"))
}

func (h *handler) disableKey(r *http.Request) (any, error) {
	return h.src.DisableKey(r.Context(), r.PathValue("id"))
}

// body reads a request's JSON; an empty one leaves in as it is.
func body(r *http.Request, in any) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return fault.Wrap(fault.BadValue, err, "The request's body could not be read.")
	case len(b) > maxBody:
		return fault.New(fault.BadValue, "The request's body is longer than %d bytes.", maxBody)
	case len(b) == 0:
		return nil
	}
	if err := json.Unmarshal(b, in); err != nil {
		return fault.Wrap(fault.BadValue, err, "The request's body is not the JSON this takes.")
	}
	return nil
}

// ofOneAccount are the actions that show a caller no other account's resources;
// everything else is for the account that runs the server.
var ofOneAccount = map[string]bool{"slipway:ListImages": true, "slipway:GetImage": true, "slipway:ListImageBuilders": true, "slipway:GetImageBuilder": true,
	"slipway:ListFleets": true, "slipway:GetFleet": true, "slipway:ListSessions": true,
	"slipway:GetInspection": true, "slipway:ReadAudit": true,
	"slipway:ListDisks": true, "slipway:GetDisk": true, "slipway:GetUsage": true}

// May lets in the root of the account that runs the server, and those of its
// users and roles whose policies allow the action on "*".
func (o Operator) May(ctx context.Context, action string) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	if c.Account != o.Service.Config.Operator && !ofOneAccount[action] {
		return fault.New(fault.Denied, "User: %s is not authorized to perform: %s: account %s does not run this server.", c.ARN, action, c.Account).
			WithHint("Use credentials of account %s.", o.Service.Config.Operator)
	}
	keys := map[string][]string{"aws:RequestedRegion": {c.Region}}
	return o.Service.Authorize(ctx, c, keys, service.Check{Action: action, Resources: []string{"*"}})
}

// caller is who signed the request the context belongs to.
func caller(ctx context.Context) (domain.Caller, error) {
	id, ok := wire.IdentityFrom(ctx)
	if !ok {
		return domain.Caller{}, fault.New(fault.Denied, "The request is not signed.")
	}
	return convert.CallerOf(id, wire.RegionFrom(ctx)), nil
}

func (o Operator) account(a *domain.Account) adminapi.Account {
	return adminapi.Account{ID: a.Key.Name, Note: a.Note, Operator: a.Key.Name == o.Service.Config.Operator, Created: a.Created}
}

func (o Operator) Accounts(ctx context.Context) ([]adminapi.Account, error) {
	all, err := o.Service.Accounts(ctx)
	var out []adminapi.Account
	for _, a := range all {
		out = append(out, o.account(a))
	}
	return out, err
}

func (o Operator) CreateAccount(ctx context.Context, in adminapi.CreateAccountRequest) (adminapi.NewAccount, error) {
	a, k, err := o.Service.CreateAccount(ctx, in.ID, in.Note)
	if err != nil {
		return adminapi.NewAccount{}, err
	}
	return adminapi.NewAccount{Account: o.account(a), Key: fresh(k)}, nil
}

func key(k *domain.AccessKey) adminapi.Key {
	return adminapi.Key{ID: k.Key.Name, Account: k.Account, User: k.User, Disabled: k.Disabled, Created: k.Created}
}

// fresh is a key with its secret, for whoever made it.
func fresh(k *domain.AccessKey) adminapi.Key {
	out := key(k)
	out.Secret = k.Secret
	return out
}

func (o Operator) Keys(ctx context.Context, account string) ([]adminapi.Key, error) {
	all, err := o.Service.EveryKey(ctx, account)
	var out []adminapi.Key
	for _, k := range all {
		out = append(out, key(k))
	}
	return out, err
}

func (o Operator) CreateKey(ctx context.Context, in adminapi.CreateKeyRequest) (adminapi.Key, error) {
	if in.Account == "" {
		in.Account = o.Service.Config.Operator
	}
	root, err := o.Service.RootOf(ctx, in.Account)
	if err != nil {
		return adminapi.Key{}, err
	}
	k, err := o.Service.CreateAccessKey(ctx, root, in.User)
	if err != nil {
		return adminapi.Key{}, err
	}
	return fresh(k), nil
}

func (o Operator) RotateKey(ctx context.Context, id string) (adminapi.Key, error) {
	k, err := o.Service.RotateKey(ctx, id)
	if err != nil {
		return adminapi.Key{}, err
	}
	return fresh(k), nil
}

func (o Operator) DisableKey(ctx context.Context, id string) (adminapi.Key, error) {
	k, err := o.Service.DisableKey(ctx, id)
	if err != nil {
		return adminapi.Key{}, err
	}
	return key(k), nil
}
