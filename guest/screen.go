package guest

// OrderScreen is the name of the order to give the screen another size: Size in
// the arguments. Who cannot says ProblemScreen, and the screen stays as it is.
const OrderScreen = "screen"

// ProblemScreen: the guest has no way to give its screen that size.
const ProblemScreen = "screen"

// Size is that of a screen in pixels.
type Size struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Sizes that are asked for; the largest is what a machine's display has memory
// for.
var (
	SmallestScreen = Size{320, 200}
	LargestScreen  = Size{3840, 2160}
)

// Screen is the size nearest to s that a screen can have: within the bounds, and
// of whole cells of a mode (VESA CVT 1.2: eight pixels).
func (s Size) Screen() Size {
	return Size{
		Width:  min(max(s.Width, SmallestScreen.Width), LargestScreen.Width) &^ 7,
		Height: min(max(s.Height, SmallestScreen.Height), LargestScreen.Height) &^ 1,
	}
}
