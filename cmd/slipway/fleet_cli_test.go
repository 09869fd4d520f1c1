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
	at := time.Now().Add(time.Hour)
	var out bytes.Buffer
	f := &adminapi.Fleet{Name: "f", State: "STARTING", Failures: 3, RetryAt: at, Errors: []adminapi.Reason{{Code: "FLEET_INSTANCE_PROVISIONING_FAILURE", Message: "No operating system."}}}
	if err := printFleet(streams{out: &out}, f); err != nil {
		t.Fatal(err)
	}
	f.RetryAt = at.Add(-2 * time.Hour)
	if err := printFleet(streams{out: &out}, f); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3 in a row did not come up; the next one is tried at " + at.Format(time.TimeOnly), "up; another one is being tried", "FLEET_INSTANCE_PROVISIONING_FAILURE: No operating system."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
