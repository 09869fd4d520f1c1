package domain

import (
	"testing"
	"time"
)

// TestRuleIdleLimitIsRoundedWhereItIsUsed: to whole minutes, and to one at least.
func TestRuleIdleLimitIsRoundedWhereItIsUsed(t *testing.T) {
	for seconds, want := range map[int64]time.Duration{0: 0, 60: time.Minute, 70: time.Minute, 89: time.Minute, 90: 2 * time.Minute, 119: 2 * time.Minute, 36000: 10 * time.Hour} {
		if got := (&Fleet{IdleTimeout: seconds}).Idle(); got != want {
			t.Errorf("%d seconds: %s", seconds, got)
		}
	}
}

// TestRuleSessionsFillMachines: so many machines as hold the sessions.
func TestRuleSessionsFillMachines(t *testing.T) {
	for _, c := range []struct{ sessions, each, want int64 }{{0, 4, 0}, {1, 4, 1}, {4, 4, 1}, {5, 4, 2}, {10, 4, 3}, {50, 50, 1}, {51, 50, 2}} {
		if got := (&Fleet{DesiredSessions: c.sessions, PerInstance: c.each}).Wanted(); int64(got) != c.want {
			t.Errorf("%d sessions of %d: %d machines", c.sessions, c.each, got)
		}
	}
}
