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
}

var _ wire.Verifier = Verifier{}

// Scope implements wire.Verifier. A malformed credential is not ok either:
// Verify then says what is wrong with it.
func (v Verifier) Scope(r *http.Request) (wire.Scope, bool) {
	p, err := readProof(r)
	if err != nil {
		return wire.Scope{}, false
	}
	return wire.Scope{AccessKeyID: p.AccessKeyID, Date: p.Date, Region: p.Region, Service: p.Service, Presigned: p.presigned}, true
}

// Verify implements wire.Verifier. A nil body means that the operation lets the
// signature leave it out; a payload hash other than UNSIGNED-PAYLOAD must be
// that of the body all the same.
func (v Verifier) Verify(r *http.Request, body []byte, keys wire.Keys) (wire.Signed, error) {
	var secret wire.Secret
	o := Options{Now: v.Now, Services: v.Services, AllowUnsignedPayload: body == nil}
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
	res, err := Verify(r, body, o)
	if err == nil {
		return wire.Signed{Secret: secret, Region: res.Region, Service: res.Service, Presigned: res.Presigned}, nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return wire.Signed{}, err
	}
	if e.Reason == Failed {
		// Not the caller's doing: the funnel logs it and hides it.
		return wire.Signed{}, fmt.Errorf("looking up an access key: %w", e.Err)
	}
	return wire.Signed{}, &wire.Exception{Code: e.Code(), Message: e.Message}
}
