// Package sts answers who the caller is.
package sts

import (
	"context"

	"slipway/api/convert"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/sts"
)

// Rows is one row per operation that is built.
func Rows(*service.Service) []convert.Row {
	return []convert.Row{convert.On(aws.OpGetCallerIdentity, getCallerIdentity, nil)}
}

func getCallerIdentity(_ context.Context, c *wire.Call, _ *aws.GetCallerIdentityRequest) (*aws.GetCallerIdentityResponse, error) {
	return &aws.GetCallerIdentityResponse{Account: new(c.Identity.Account), Arn: new(c.Identity.ARN), UserId: new(c.Identity.UserID)}, nil
}
