package tool

import (
	"os"
	"path/filepath"
)

// writeWhole writes a file for everybody to read, as one step: nobody reads half of
// it, and login shells, which read *.sh, none of it before.
func writeWhole(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part := path + partSuffix
	if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
