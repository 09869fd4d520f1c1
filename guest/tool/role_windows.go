package tool

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// theRole: the profile is where everybody reads and administrators write.
// Programs learn of it by a variable of the machine's, over which a user's own
// wins.
func theRole() roleFiles {
	dir := filepath.Join(folder(windows.FOLDERID_ProgramFiles), "Slipway")
	return roleFiles{config: filepath.Join(dir, "aws-config"), pointer: "AWS_CONFIG_FILE", program: filepath.Join(dir, "slipway-guest.exe")}
}

func (p roleFiles) point() error {
	return p.variable(func(k registry.Key, now string) error {
		if now != "" {
			return nil // an administrator's
		}
		return k.SetStringValue(p.pointer, p.config)
	})
}

func (p roleFiles) unpoint() error {
	return p.variable(func(k registry.Key, now string) error {
		if now != p.config {
			return nil
		}
		return k.DeleteValue(p.pointer)
	})
}

func (p roleFiles) variable(change func(k registry.Key, now string) error) error {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, machineVars, registry.QUERY_VALUE|registry.SET_VALUE)
	if err != nil {
		return err
	}
	now, _, err := k.GetStringValue(p.pointer)
	if err == nil || errors.Is(err, registry.ErrNotExist) {
		err = change(k, now)
	}
	return errors.Join(err, k.Close())
}
