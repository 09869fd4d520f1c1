package iam

import (
	"context"

	"slipway/api/convert"
	"slipway/wire"
	aws "slipway/wire/iam"
)

func (a api) boundaryRows() []convert.Row {
	return []convert.Row{
		convert.On(aws.OpPutUserPermissionsBoundary, a.putUserBoundary, nil),
		convert.On(aws.OpDeleteUserPermissionsBoundary, a.deleteUserBoundary, nil),
		convert.On(aws.OpPutRolePermissionsBoundary, a.putRoleBoundary, nil),
		convert.On(aws.OpDeleteRolePermissionsBoundary, a.deleteRoleBoundary, nil),
	}
}

func (a api) putUserBoundary(ctx context.Context, c *wire.Call, in *aws.PutUserPermissionsBoundaryRequest) (*aws.PutUserPermissionsBoundaryOutput, error) {
	return done[aws.PutUserPermissionsBoundaryOutput](a.svc.SetBoundary(ctx, convert.Caller(c), user(in.UserName), convert.Val(in.PermissionsBoundary)))
}

func (a api) deleteUserBoundary(ctx context.Context, c *wire.Call, in *aws.DeleteUserPermissionsBoundaryRequest) (*aws.DeleteUserPermissionsBoundaryOutput, error) {
	return done[aws.DeleteUserPermissionsBoundaryOutput](a.svc.SetBoundary(ctx, convert.Caller(c), user(in.UserName), ""))
}

func (a api) putRoleBoundary(ctx context.Context, c *wire.Call, in *aws.PutRolePermissionsBoundaryRequest) (*aws.PutRolePermissionsBoundaryOutput, error) {
	return done[aws.PutRolePermissionsBoundaryOutput](a.svc.SetBoundary(ctx, convert.Caller(c), role(in.RoleName), convert.Val(in.PermissionsBoundary)))
}

func (a api) deleteRoleBoundary(ctx context.Context, c *wire.Call, in *aws.DeleteRolePermissionsBoundaryRequest) (*aws.DeleteRolePermissionsBoundaryOutput, error) {
	return done[aws.DeleteRolePermissionsBoundaryOutput](a.svc.SetBoundary(ctx, convert.Caller(c), role(in.RoleName), ""))
}

func boundaryShape(arn string) *aws.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &aws.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: new("PermissionsBoundaryPolicy")}
}
