// Package sdk drives a server as a user's Go program would: the main job, and
// every refusal that the built operations can answer, seen through the typed
// exceptions of the AWS SDK.
//
// It is written once and compiled twice: here with the client that this module
// requires, which speaks nothing but rpc-v2-cbor, and in test/sdk/old, a module of
// its own, with the last one that spoke awsJson1_1. What is true of one client
// only belongs in its test.
package sdk

import (
	"fmt"
	"testing"

	"slipway/test/rig"
)

// Protocol is what a client of AppStream speaks.
type Protocol string

// The protocols, told apart by a header that only one of them sends.
const (
	JSON Protocol = "X-Amz-Target"    // awsJson1_1
	CBOR Protocol = "Smithy-Protocol" // rpc-v2-cbor
)

// Run is the whole scenario; the client must speak the protocol.
func Run(t *testing.T, p Protocol) {
	disk := rig.Fixture(t, "ws2022")
	w := newWorld(t, disk, rig.Start(t, "--compute", "fake", "--fake-boot-time", "50ms", "--access-endpoint", "vpce-1=127.0.0.1:0"))
	t.Run("MainJob", func(t *testing.T) { w.at(t).mainJob() })
	t.Run("ImportRefused", func(t *testing.T) { w.at(t).importRefused() })
	t.Run("ImportFails", func(t *testing.T) { w.at(t).importFails() })
	t.Run("Validation", func(t *testing.T) { w.at(t).validation() })
	t.Run("DeleteWhileImporting", func(t *testing.T) { w.at(t).deleteWhileImporting() })
	t.Run("Export", func(t *testing.T) { w.at(t).exports() })
	t.Run("Builders", func(t *testing.T) { w.at(t).builders() })
	t.Run("Fleets", func(t *testing.T) { w.at(t).fleets() })
	t.Run("Tags", func(t *testing.T) { w.at(t).tags() })
	t.Run("NotBuilt", func(t *testing.T) { w.at(t).notBuilt() })
	t.Run("Signatures", func(t *testing.T) { w.at(t).signatures() })
	t.Run("QuotaAndPages", func(t *testing.T) {
		newWorld(t, disk, rig.Start(t, "--compute", "fake", "--fake-boot-time", "0s")).quotaAndPages()
	})
	t.Run("Rules", func(t *testing.T) { rules(t, disk) })
	t.Run("Protocol", func(t *testing.T) {
		if err := w.wire.spoke(p); err != nil {
			t.Error(err)
		}
	})
}

// spoke fails when any request to AppStream was in another protocol.
func (r *recorder) spoke(p Protocol) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent[p] < 100 || len(r.sent) != 1 {
		return fmt.Errorf("requests by protocol: %v; all of at least 100 should have been %s", r.sent, p)
	}
	return nil
}
