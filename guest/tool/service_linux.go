package tool

import "context"

// RunService is for systems whose services speak a protocol of their own.
func RunService(context.Context, func(context.Context) error) (bool, error) { return false, nil }
