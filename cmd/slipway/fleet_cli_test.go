package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"slipway/api/admin/adminapi"
)

// TestFleetInTrouble: an operator sees that instances do not come up, and when the
// next one is tried.
func TestFleetInTrouble(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	f := &adminapi.Fleet{Name: "f", State: "STARTING", Failures: 3, RetryAt: at, Errors: []adminapi.Reason{{Code: "FLEET_INSTANCE_PROVISIONING_FAILURE", Message: "No operating system."}}}
	if err := printFleet(streams{out: &out}, f); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 in a row did not come up; the next is tried at 03:04:05", "FLEET_INSTANCE_PROVISIONING_FAILURE: No operating system."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
