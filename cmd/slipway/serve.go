package main

import (
	"context"
	"errors"
	"io"
)

// serve runs the server until ctx ends.
func serve(ctx context.Context, c ServeConfig, stdout, stderr io.Writer) error {
	return errors.New("the server is not wired yet")
}
