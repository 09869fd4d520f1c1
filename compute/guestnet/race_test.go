//go:build race

package guestnet

import "math"

func init() { memoryHard = math.MaxUint64 }
