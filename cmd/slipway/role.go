package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func roleCommand() *command {
	return &command{
		name:    "role",
		summary: "Make the IAM role that imports and exports use",
		subs:    []*command{roleCreateImport()},
	}
}

// What imports and exports need of a role (AppStream developer guide, "Import
// Image"; API reference, CreateExportImageTask).
const (
	importTrust  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	importPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:ModifyImageAttribute","ec2:DescribeImages","ec2:CopyImage","ec2:CreateTags"],"Resource":"*"}]}`
)

func roleCreateImport() *command {
	return &command{
		name: "create-import", summary: "Make a role for CreateImportedImage and CreateExportImageTask and print its ARN",
		long: `
These are plain IAM calls; they work against AWS too. A role of that name that
is there already is left as it is.`,
		setup: func(fs *flag.FlagSet) action {
			dir := targetFlag(fs)
			name := fs.String("name", "slipway-import", "the role's `name`")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				to, err := resolve(ctx, *dir)
				if err != nil {
					return err
				}
				arn, err := makeImportRole(ctx, iam.NewFromConfig(to.Config), *name, io)
				if err != nil {
					return err
				}
				fmt.Fprintln(io.out, arn)
				return nil
			}
		},
	}
}

func makeImportRole(ctx context.Context, c *iam.Client, name string, io streams) (string, error) {
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(importTrust), Description: aws.String("Imports and exports of images"),
	})
	if exists := (*types.EntityAlreadyExistsException)(nil); errors.As(err, &exists) {
		there, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		if err != nil {
			return "", err
		}
		fmt.Fprintf(io.err, "The role %s exists and was left as it is.\n", name)
		return aws.ToString(there.Role.Arn), nil
	} else if err != nil {
		return "", err
	}
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("images"), PolicyDocument: aws.String(importPolicy)})
	return aws.ToString(made.Role.Arn), err
}
