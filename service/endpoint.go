package service

import (
	"context"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
)

// An access endpoint is a place of its own at which screens are looked at: a
// stack or an image builder that names endpoints is reached there and nowhere
// else, and what names none is not reached there. Which endpoints there are is
// the operator's business (Streaming.Endpoints).

type endpointKey struct{}

// Through says in a context by which access endpoint a request came in.
func Through(ctx context.Context, endpoint string) context.Context {
	return context.WithValue(ctx, endpointKey{}, endpoint)
}

// CameThrough is the access endpoint of a request, "" for none.
func CameThrough(ctx context.Context) string {
	id, _ := ctx.Value(endpointKey{}).(string)
	return id
}

// mayEnter refuses a request that came another way than by the access endpoints
// of what it wants to look at.
func mayEnter(ctx context.Context, endpoints []domain.AccessEndpoint) error {
	by := CameThrough(ctx)
	switch {
	case len(endpoints) == 0 && by == "":
		return nil
	case len(endpoints) == 0:
		return fault.New(fault.Denied, "This screen is not looked at through an access endpoint.").WithHint("Ask for a new address.")
	case slices.ContainsFunc(endpoints, func(e domain.AccessEndpoint) bool { return e.VPCE == by }):
		return nil
	}
	return fault.New(fault.Denied, "This screen is looked at only through its access endpoints.").WithHint("Ask for a new address, from the network that they belong to.")
}

// base is where the pages of a screen with those endpoints are. Errors:
// WrongState, when none of them is here.
func (s *Streaming) base(endpoints []domain.AccessEndpoint) (string, error) {
	if len(endpoints) == 0 {
		return s.Base, nil
	}
	var ids []string
	for _, e := range endpoints {
		if at := s.Endpoints[e.VPCE]; at != "" {
			return at, nil
		}
		ids = append(ids, e.VPCE)
	}
	return "", fault.New(fault.WrongState, "The screen may be looked at only through its access endpoints, %s, and none of them is on this server.", strings.Join(ids, ", ")).
		WithHint("An operator says where one is with `slipway serve --access-endpoint %s=HOST:PORT`.", ids[0])
}
