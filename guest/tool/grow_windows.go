package tool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// Grow extends the volume of the system's drive over the free space behind it.
// Windows does it with a script for diskpart; where nothing is free that is an
// error of diskpart's, and a volume as it was.
func Grow(string) (string, error) {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return "", err
	}
	drive := filepath.VolumeName(system)
	dir, err := os.MkdirTemp("", "slipway")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "grow.txt")
	text := fmt.Sprintf("rescan\r\nselect volume %s\r\nextend noerr\r\n", strings.TrimSuffix(drive, ":"))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(system, "diskpart.exe"), "/s", script).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("diskpart: %w: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return drive + " " + strings.TrimSpace(lines[len(lines)-1]), nil
}
