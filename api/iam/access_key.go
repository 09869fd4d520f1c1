package iam

import (
	"context"
	"time"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/wire"
	aws "slipway/wire/iam"
)

// keyOwner is whose access keys an operation is about: the named user's, or the
// caller's own.
func keyOwner(c domain.Caller, name *string) (string, error) {
	switch {
	case name != nil:
		return *name, nil
	case c.Kind == domain.CallerUser:
		return c.Name, nil
	case c.Kind == domain.CallerRoot:
		return "", nil
	}
	return "", fault.New(fault.BadCombination, "Must specify userName when calling with non-User credentials")
}

// userName is nil for the keys of the root.
func userName(name string) *string { return convert.Opt(name) }

func status(k *domain.AccessKey) *string {
	if k.Disabled {
		return new("Inactive")
	}
	return new("Active")
}

func (a api) createAccessKey(ctx context.Context, c *wire.Call, in *aws.CreateAccessKeyRequest) (*aws.CreateAccessKeyResponse, error) {
	caller := convert.Caller(c)
	owner, err := keyOwner(caller, in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := a.svc.CreateAccessKey(ctx, caller, owner)
	if err != nil {
		return nil, err
	}
	return &aws.CreateAccessKeyResponse{AccessKey: &aws.AccessKey{
		UserName: new(owner), AccessKeyId: new(k.Key.Name), SecretAccessKey: new(k.Secret), Status: status(k), CreateDate: new(k.Created),
	}}, nil
}

func (a api) listAccessKeys(ctx context.Context, c *wire.Call, in *aws.ListAccessKeysRequest) (*aws.ListAccessKeysResponse, error) {
	caller := convert.Caller(c)
	owner, err := keyOwner(caller, in.UserName)
	if err != nil {
		return nil, err
	}
	keys, err := a.svc.AccessKeys(ctx, caller, owner)
	if err != nil {
		return nil, err
	}
	out := &aws.ListAccessKeysResponse{}
	keys, out.IsTruncated, out.Marker, err = page(keys, in.Marker, in.MaxItems, func(k *domain.AccessKey) string { return k.Key.Name })
	out.AccessKeyMetadata = shapes(keys, func(k *domain.AccessKey) aws.AccessKeyMetadata {
		return aws.AccessKeyMetadata{UserName: userName(k.User), AccessKeyId: new(k.Key.Name), Status: status(k), CreateDate: new(k.Created)}
	})
	return out, err
}

func (a api) updateAccessKey(ctx context.Context, c *wire.Call, in *aws.UpdateAccessKeyRequest) (*aws.UpdateAccessKeyOutput, error) {
	caller := convert.Caller(c)
	owner, err := keyOwner(caller, in.UserName)
	if err != nil {
		return nil, err
	}
	return done[aws.UpdateAccessKeyOutput](a.svc.SetAccessKey(ctx, caller, owner, convert.Val(in.AccessKeyId), convert.Val(in.Status) != "Active"))
}

func (a api) deleteAccessKey(ctx context.Context, c *wire.Call, in *aws.DeleteAccessKeyRequest) (*aws.DeleteAccessKeyOutput, error) {
	caller := convert.Caller(c)
	owner, err := keyOwner(caller, in.UserName)
	if err != nil {
		return nil, err
	}
	return done[aws.DeleteAccessKeyOutput](a.svc.DeleteAccessKey(ctx, caller, owner, convert.Val(in.AccessKeyId)))
}

// getAccessKeyLastUsed: uses are not recorded, which IAM tells as "N/A".
func (a api) getAccessKeyLastUsed(ctx context.Context, c *wire.Call, in *aws.GetAccessKeyLastUsedRequest) (*aws.GetAccessKeyLastUsedResponse, error) {
	k, err := a.svc.AccessKey(ctx, convert.Caller(c), convert.Val(in.AccessKeyId))
	if fault.Is(err, fault.NotFound) {
		// The operation models no NoSuchEntity; IAM denies what is not yours.
		return nil, fault.New(fault.Denied, "%s", fault.Public(err))
	} else if err != nil {
		return nil, err
	}
	return &aws.GetAccessKeyLastUsedResponse{UserName: userName(k.User), AccessKeyLastUsed: &aws.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}}, nil
}

// since is when the account was made.
func (a api) since(ctx context.Context, c domain.Caller) time.Time {
	all, err := a.svc.Accounts(ctx)
	if err == nil {
		for _, one := range all {
			if one.Key.Name == c.Account {
				return one.Created
			}
		}
	}
	return time.Unix(0, 0).UTC()
}
