module slipway/test/roundtrip/new

go 1.26.0

replace slipway => ../../..

require (
	github.com/aws/aws-sdk-go-v2 v1.43.4
	github.com/aws/aws-sdk-go-v2/credentials v1.19.34
	github.com/aws/aws-sdk-go-v2/service/appstream v1.64.5
	github.com/aws/aws-sdk-go-v2/service/workspaces v1.68.3
	slipway v0.0.0
)

require (
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.4.35 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.7.35 // indirect
	github.com/aws/smithy-go v1.27.6 // indirect
)
