// Package sdknew pins a release whose client speaks nothing but
// rpc-v2-cbor and has it drive the server. All that is tested is in test/sdk.
package sdknew

import (
	"testing"

	"slipway/test/sdk"
	"slipway/test/sdk/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

func TestSDK(t *testing.T) { sdk.Run(t, sdk.CBOR) }
