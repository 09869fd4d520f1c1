// Package sts answers who the caller is.
package sts

import (
	"context"

	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/sts"
)

// Rows is one row per operation that is built.
func Rows(*service.Service) map[*wire.Op]wire.Handler {
	return map[*wire.Op]wire.Handler{aws.OpGetCallerIdentity: wire.Handle(getCallerIdentity)}
}

func getCallerIdentity(_ context.Context, c *wire.Call, _ *aws.GetCallerIdentityRequest) (*aws.GetCallerIdentityResponse, error) {
	return &aws.GetCallerIdentityResponse{Account: new(c.Identity.Account), Arn: new(c.Identity.ARN), UserId: new(c.Identity.UserID)}, nil
}
