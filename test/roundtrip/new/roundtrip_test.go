// Package new pins an appstream client that speaks rpc-v2-cbor, and the
// workspaces client, which speaks awsJson1_1.
package new

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/workspaces"
	"github.com/aws/aws-sdk-go-v2/service/workspaces/types"

	"slipway/test/roundtrip"
	"slipway/wire"
	appstreammodel "slipway/wire/appstream"
	workspacesmodel "slipway/wire/workspaces"
)

func config(endpoint string) aws.Config {
	return aws.Config{
		Region: roundtrip.Region, BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(roundtrip.AccessKey, roundtrip.Secret, ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func TestAppStream(t *testing.T) {
	roundtrip.Run(t, roundtrip.Want{
		Service: appstreammodel.Service, Protocol: wire.RPCv2CBOR,
		Client:     func(endpoint string) any { return appstream.NewFromConfig(config(endpoint)) },
		Operations: 89, UnknownOperations: 0, UnknownMembers: 0,
	})
}

func TestWorkSpaces(t *testing.T) {
	roundtrip.Run(t, roundtrip.Want{
		Service: workspacesmodel.Service, Protocol: wire.AWSJSON11,
		Client: func(endpoint string) any { return workspaces.NewFromConfig(config(endpoint)) },
		Unions: []any{&types.ImageSourceIdentifierMemberEc2ImageId{}, &types.ImageSourceIdentifierMemberEc2ImportTaskId{},
			&types.ImageSourceIdentifierMemberImageBuildVersionArn{}},
		Operations: 91, UnknownOperations: 0, UnknownMembers: 1,
	})
}
