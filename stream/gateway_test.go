package stream

import (
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestStalledWrites: a write that has waited too long ends the connection, for
// the reason of the side that takes nothing; one that has ended does not.
func TestStalledWrites(t *testing.T) {
	const slow = 10 * time.Second
	ago := func(d time.Duration) *viewer {
		return &viewer{s: &Server{c: Config{Slow: slow}}, begun: time.Now().Add(-d)}
	}
	for _, c := range []struct {
		name string
		v    *viewer
		stop func(*viewer)
		want websocket.StatusCode // 0: none
	}{
		{"nothing is written", ago(time.Hour), func(*viewer) {}, 0},
		{"a viewer takes its time", ago(slow / 2), func(v *viewer) { v.sending.Store(1) }, 0},
		{"a viewer takes nothing", ago(2 * slow), func(v *viewer) { v.sending.Store(1) }, tooSlow},
		{"a display takes nothing", ago(2 * guestStall), func(v *viewer) { v.giving.Store(1) }, lostScreen},
		{"it was taken", ago(time.Hour), func(v *viewer) { v.waits(&v.sending)() }, 0},
		{"a write that begins late", ago(time.Hour), func(v *viewer) { v.waits(&v.giving) }, 0},
	} {
		c.stop(c.v)
		if e, over := c.v.stalled(); e.code != c.want || over != (c.want != 0) {
			t.Errorf("%s: %v, %+v", c.name, over, e)
		}
	}
}
