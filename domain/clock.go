package domain

import "time"

// Clock tells the time; it is injected so that tests own it.
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a Clock.
type ClockFunc func() time.Time

func (f ClockFunc) Now() time.Time { return f() }

// WallClock is the machine's clock in UTC.
var WallClock Clock = ClockFunc(func() time.Time { return time.Now().UTC() })
