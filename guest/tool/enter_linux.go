package tool

import (
	"maps"
	"slices"
	"strings"

	"slipway/guest"
)

// Where login shells find a session's variables on Linux (administration guide,
// "User and Instance Metadata for AppStream 2.0 Fleets"); programs and scripts
// read the files by name.
const (
	userVars    = "/etc/profile.d/appstream_user_vars.sh"
	machineVars = "/etc/profile.d/appstream_system_vars.sh"
)

func enter(e guest.Environment) error {
	if err := exported(userVars, e.User); err != nil {
		return err
	}
	return exported(machineVars, e.Machine)
}

// exported writes a script that exports variables.
func exported(path string, vars map[string]string) error {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		b.WriteString("export " + name + "='" + strings.ReplaceAll(vars[name], "'", `'\''`) + "'\n")
	}
	return writeWhole(path, b.String())
}
