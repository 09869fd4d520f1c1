package tool

import "slipway/guest"

// resize: what Windows draws with until a driver of the machine's own display is
// installed knows the sizes of the firmware alone.
func (*seat) resize(guest.Size) error { return keeps("this system's display keeps its size") }
