package sdk

import (
	"testing"

	"slipway/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

func TestSDK(t *testing.T) { Run(t, CBOR) }
