package tool

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows/registry"

	"slipway/guest"
)

// machineVars is where Windows keeps what every program finds in its environment.
const machineVars = `SYSTEM\CurrentControlSet\Control\Session Manager\Environment`

// enter writes a session's variables where Windows reads them for programs that
// are started later: the machine's, and those of every person who is logged on.
func enter(e guest.Environment) error {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, machineVars, registry.SET_VALUE)
	if err != nil {
		return err
	}
	if err := set(k, e.Machine); err != nil {
		return err
	}
	people, err := registry.USERS.ReadSubKeyNames(-1)
	if err != nil {
		return err
	}
	for _, sid := range people {
		if !strings.HasPrefix(sid, "S-1-5-21-") || strings.HasSuffix(sid, "_Classes") {
			continue // a service
		}
		k, _, err := registry.CreateKey(registry.USERS, sid+`\Environment`, registry.SET_VALUE)
		if err != nil {
			return err
		}
		if err := set(k, e.User); err != nil {
			return err
		}
	}
	return nil
}

// set writes variables and closes the key.
func set(k registry.Key, vars map[string]string) (err error) {
	for name, value := range vars {
		err = errors.Join(err, k.SetStringValue(name, value))
	}
	return errors.Join(err, k.Close())
}
