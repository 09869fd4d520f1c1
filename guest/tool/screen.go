package tool

import "slipway/guest"

// screen gives the screen of whoever sits there another size. One that has it
// already is left alone.
func (o *Orderly) screen(s *seat, in guest.Size) (guest.Report, error) {
	return guest.Report{}, s.resize(in.Screen())
}

// keeps is the problem of a screen that stays as it is.
func keeps(why string) error { return &problem{kind: guest.ProblemScreen, text: why} }
