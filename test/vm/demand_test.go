package vm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/test/rig"
)

// longest is the shortest maximum duration that a fleet may have.
const longest = 10 * time.Minute

// TestOnDemand: an instance waits without a machine, which starts when its user
// comes; she works on it, is warned five minutes before her time is over, and then
// it ends although she works. Another one waits in its place. Ten minutes are ten
// minutes here.
func TestOnDemand(t *testing.T) {
	if !*long {
		t.Skip("a session of ten minutes: make long")
	}
	h := newHouse(t, "--import-rules", "open", patient)
	h.unproven("base", "linux")
	h.serve("On demand", 1, &appstream.CreateFleetInput{FleetType: types.FleetTypeOnDemand, IamRoleArn: &h.role, StreamView: types.StreamViewDesktop,
		MaxUserDurationInSeconds: aws.Int32(int32(longest.Seconds()))})
	tr := h.trace("fleet", "stack")
	defer tr.end()
	u := newUsers(h, "ann")
	u.do("ann", "come", nil)
	h.state(types.FleetStateRunning)
	h.capacity("prepared", 0, 0, 1)
	if m := h.machines(); len(m) > 0 {
		t.Errorf("machines before anybody came: %s", m)
	}

	begun := time.Now()
	u.do("ann", "visit", args{"address": h.address("ann")})
	u.do("ann", "told", args{"text": "Its machine is starting", "limit": 30_000})
	h.capacity("while its machine starts", 0, 1, 0)
	u.do("ann", "shoot", args{"path": picture("demand-starting")})
	u.do("ann", "connected", args{"limit": bootLimit.Milliseconds()})
	t.Logf("from the address to the screen: %.1f s", time.Since(begun).Seconds())
	h.capacity("in use", 1, 1, 0)
	s := h.sessions()
	x := s["ann"]
	if x.MaxExpirationTime == nil || x.StartTime == nil || x.MaxExpirationTime.Sub(*x.StartTime) != longest {
		t.Fatalf("the session lasts from %v to %v", x.StartTime, x.MaxExpirationTime)
	}
	h.seeThemselves(u, s)
	tr.look()

	u.do("ann", "announced", args{"text": "ends in five minutes", "path": picture("demand-warned"), "limit": time.Until(*x.MaxExpirationTime).Milliseconds()})
	h.about("the warning", *x.MaxExpirationTime, 5*time.Minute)
	// She works to the end.
	u.do("ann", "type", args{"text": "echo still here | tee /dev/ttyS0"})
	h.serial(x, "still here")
	u.do("ann", "told", args{"text": "session has ended", "limit": (time.Until(*x.MaxExpirationTime) + time.Minute).Milliseconds()})
	h.about("the end", *x.MaxExpirationTime, 0)
	u.do("ann", "shoot", args{"path": picture("demand-over")})
	h.gone(*x.InstanceId)
	tr.look()
	h.capacity("another is prepared", 0, 0, 1)
	if left := h.sessions(); len(left) > 0 {
		t.Errorf("sessions after the end: %+v", left)
	}
	h.stop()
}

// capacity waits until the fleet tells these numbers, and logs those before them;
// what cannot be, the trace sees.
func (h *house) capacity(when string, running, inUse, available int32) {
	h.t.Helper()
	var seen []string
	rig.Until(h.t, time.Minute, "the numbers are right: "+when, func() (bool, error) {
		c := h.fleet().ComputeCapacityStatus
		now := fmt.Sprintf("running %d, in use %d, available %d", *c.Running, *c.InUse, *c.Available)
		if !slices.Contains(seen, now) {
			seen = append(seen, now)
		}
		return *c.Running == running && *c.InUse == inUse && *c.Available == available, nil
	})
	h.t.Logf("%s: %s", when, seen)
}

// about wants it to be so long before an end, give or take what a busy host and a
// look every few seconds take.
func (h *house) about(what string, end time.Time, before time.Duration) {
	h.t.Helper()
	off := time.Until(end) - before
	h.t.Logf("%s: %.1f s off", what, off.Seconds())
	if off.Abs() > 30*time.Second {
		h.t.Errorf("%s is %.1f s off", what, off.Seconds())
	}
}
