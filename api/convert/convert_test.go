package convert_test

import (
	"testing"

	"slipway/api/convert"
	"slipway/wire"
)

// TestPrivateAddressesProveNothing: who makes a private network chooses the
// addresses in it, also one that a policy permits elsewhere.
func TestPrivateAddressesProveNothing(t *testing.T) {
	for private, want := range map[bool]string{false: "aws:SourceIp", true: "aws:VpcSourceIp"} {
		keys := convert.Keys(&wire.Call{Source: "198.51.100.7", Private: private})
		if got := keys[want]; len(got) != 1 || got[0] != "198.51.100.7" {
			t.Errorf("private %v: %v", private, keys)
		}
		if _, ok := keys["aws:SourceIp"]; ok == private {
			t.Errorf("private %v: aws:SourceIp is %v", private, keys["aws:SourceIp"])
		}
	}
}
