package stream

import (
	"time"

	"slipway/service"
)

// waited is when the user of a connection began to wait for a picture; the zero
// time where nobody does: not at an image builder's screen, and not when the
// session had a connection before.
func waited(scr *service.Screen) time.Time {
	if x := scr.Session; x != nil && x.Epoch == 0 {
		return x.Started
	}
	return time.Time{}
}

// shown tells, once, that the viewer was sent something of a picture.
func (v *viewer) shown() {
	if v.since.IsZero() {
		return
	}
	if v.s.c.Streamed != nil {
		v.s.c.Streamed(v.s.c.Now().Sub(v.since))
	}
	v.since = time.Time{}
}
