package gate

import (
	"slices"
	"strings"
)

// claims remembers which stretches of a file are taken by units of the disk, to
// find two that lie over each other: no program writes that, and a small file
// could claim to be a large disk full of data.
type claims struct {
	at   []int64
	n    int64 // of each: all units of a file have one length
	next int   // when to look again
}

// claimsAtOnce bounds the memory between two looks.
const claimsAtOnce = 1 << 20

// add takes a stretch; false when an overlap was found.
func (c *claims) add(at, n int64) bool {
	if c.n != 0 && n != c.n {
		n = min(n, c.n) // compressed units of a qcow2 file beside plain ones
	}
	c.n = n
	c.at = append(c.at, at)
	if len(c.at) < c.next || len(c.at) < claimsAtOnce {
		return true
	}
	c.next = 2 * len(c.at)
	return c.apart()
}

// apart tells whether no two stretches share a byte.
func (c *claims) apart() bool {
	slices.Sort(c.at)
	for i := 1; i < len(c.at); i++ {
		if c.at[i]-c.at[i-1] < c.n {
			return false
		}
	}
	return true
}

// refusal names the overlap by the format's code for its units.
func (c *claims) refusal(f Format) error {
	code := map[Format]string{QCOW2: "QCOW2_CLUSTER", VMDK: "VMDK_GRAIN", VHD: "VHD_BLOCK", VHDX: "VHDX_BLOCK"}[f]
	return refuse(code, "Two parts of the disk lie in the same place of the %s file.", strings.ToUpper(string(f)))
}
