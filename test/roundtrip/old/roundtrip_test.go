// Package old pins the last appstream client that speaks awsJson1_1.
package old

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"

	"slipway/test/roundtrip"
	"slipway/wire"
	model "slipway/wire/appstream"
)

func TestAppStream(t *testing.T) {
	roundtrip.Run(t, roundtrip.Want{
		Service: model.Service, Protocol: wire.AWSJSON11,
		Client: func(endpoint string) any {
			return appstream.NewFromConfig(aws.Config{
				Region: roundtrip.Region, BaseEndpoint: &endpoint,
				Credentials: credentials.NewStaticCredentialsProvider(roundtrip.AccessKey, roundtrip.Secret, ""),
				Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
			})
		},
		Operations: 89, UnknownOperations: 0, UnknownMembers: 1,
	})
}
