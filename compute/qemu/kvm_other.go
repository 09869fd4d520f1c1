//go:build !linux || !amd64

package qemu

import (
	"context"
	"errors"
)

func kvmWorks(context.Context) error { return errors.New("only known on Linux on x86-64") }
