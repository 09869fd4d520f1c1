package tool

import (
	"fmt"

	"slipway/guest"
)

// mode is the timing of a screen's signal. Virtual screens have none, but systems
// know sizes by it.
type mode struct {
	clock      float64 // MHz
	horizontal [4]int  // shown, start and end of the pulse, total
	vertical   [4]int
}

// reducedBlanking is the mode of a size at 60 Hz (VESA Coordinated Video Timings
// 1.2, reduced blanking version 1).
func reducedBlanking(s guest.Size) mode {
	const (
		rate, step             = 60, 0.25 // Hz, MHz
		blank, front, pulse    = 160, 48, 32
		frontLines, leastLines = 3, 6
		leastTime              = 460.0 // µs of vertical blanking
	)
	lines := 10 // of the vertical pulse, by which the shape of a screen is told
	switch w, h := s.Width, s.Height; {
	case w*3 == h*4:
		lines = 4
	case w*9 == h*16:
		lines = 5
	case w*10 == h*16:
		lines = 6
	case w*4 == h*5, w*9 == h*15:
		lines = 7
	}
	line := (1e6/rate - leastTime) / float64(s.Height) // µs
	dark := max(int(leastTime/line)+1, frontLines+lines+leastLines)
	total := s.Width + blank
	clock := float64(int(float64(rate*total*(s.Height+dark))/1e6/step)) * step
	return mode{
		clock:      clock,
		horizontal: [4]int{s.Width, s.Width + front, s.Width + front + pulse, total},
		vertical:   [4]int{s.Height, s.Height + frontLines, s.Height + frontLines + lines, s.Height + dark},
	}
}

// args are the mode as xrandr(1) wants it.
func (m mode) args() []string {
	out := []string{fmt.Sprintf("%.2f", m.clock)}
	for _, n := range append(m.horizontal[:], m.vertical[:]...) {
		out = append(out, fmt.Sprint(n))
	}
	return append(out, "+hsync", "-vsync")
}
