package tool

import (
	"bytes"
	"os"
	"path/filepath"
)

// copyProgram puts a copy of a program in place, in one step, unless it is there.
// A program that runs cannot be written over, but another can take its name.
func copyProgram(from, to string) error {
	want, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(to); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	next := to + ".new"
	if err := os.WriteFile(next, want, 0o755); err != nil {
		return err
	}
	return os.Rename(next, to)
}
