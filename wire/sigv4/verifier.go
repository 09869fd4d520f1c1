package sigv4

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"slipway/wire"
)

// Verifier is the wire.Verifier of this package.
type Verifier struct {
	// Now is the clock.
	Now func() time.Time
	// Services are the signing names that are served.
	Services []string
	// Cache may be nil.
	Cache *KeyCache
}

var _ wire.Verifier = Verifier{}

// Claim implements wire.Verifier.
func (v Verifier) Claim(r *http.Request) (wire.Claim, error) {
	p, refused := readProof(r)
	if refused != nil {
		return nil, &wire.Exception{Code: refused.Code(), Message: refused.Message}
	}
	return claim{p, v}, nil
}

type claim struct {
	*proof
	v Verifier
}

// Scope implements wire.Claim.
func (c claim) Scope() wire.Scope {
	p := c.proof
	return wire.Scope{AccessKeyID: p.AccessKeyID, Date: p.Date, Region: p.Region, Service: p.Service, Presigned: p.presigned}
}

// Verify implements wire.Claim. A nil body means that the operation lets the
// signature leave it out; a payload hash other than UNSIGNED-PAYLOAD must be
// that of the body all the same.
func (c claim) Verify(r *http.Request, body []byte, keys wire.Keys) (wire.Signed, error) {
	var secret wire.Secret
	o := Options{Now: c.v.Now, Services: c.v.Services, AllowUnsignedPayload: body == nil, Cache: c.v.Cache}
	o.Lookup = func(ctx context.Context, id string) (Key, error) {
		var err error
		if secret, err = keys(ctx, id); err != nil {
			switch {
			case errors.Is(err, wire.ErrUnknownKey):
				return Key{}, ErrUnknownKey
			case errors.Is(err, wire.ErrExpiredKey):
				return Key{}, ErrExpiredKey
			}
			return Key{}, err
		}
		return Key{Secret: secret.Key, Token: secret.SessionToken}, nil
	}
	res, e := c.proof.verify(r, body, o)
	switch {
	case e == nil:
		return wire.Signed{Secret: secret, Region: res.Region, Service: res.Service, Presigned: res.Presigned}, nil
	case e.Reason == Failed:
		// Not the caller's doing: the funnel logs it and hides it.
		return wire.Signed{}, fmt.Errorf("looking up an access key: %w", e.Err)
	}
	return wire.Signed{}, &wire.Exception{Code: e.Code(), Message: e.Message}
}
