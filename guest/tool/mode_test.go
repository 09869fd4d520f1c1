package tool

import (
	"strings"
	"testing"

	"slipway/guest"
)

// TestReducedBlanking holds modes against those of the VESA's list (DMT 1.13).
func TestReducedBlanking(t *testing.T) {
	for size, want := range map[guest.Size]string{
		{Width: 1920, Height: 1080}: "138.50 1920 1968 2000 2080 1080 1083 1088 1111 +hsync -vsync",
		{Width: 1280, Height: 800}:  "71.00 1280 1328 1360 1440 800 803 809 823 +hsync -vsync",
		{Width: 1024, Height: 768}:  "56.00 1024 1072 1104 1184 768 771 775 790 +hsync -vsync",
	} {
		got := strings.Join(reducedBlanking(size).args(), " ")
		if got != want {
			t.Errorf("%d × %d: %s, want %s", size.Width, size.Height, got, want)
		}
	}
}
