// Package old pins the last release whose client speaks awsJson1_1 and has it
// drive the server. All that is tested is in test/sdk.
package old

import (
	"testing"

	"slipway/test/rig"
	"slipway/test/sdk"
)

func TestMain(m *testing.M) { rig.Main(m) }

func TestSDK(t *testing.T) { sdk.Run(t, sdk.JSON) }
