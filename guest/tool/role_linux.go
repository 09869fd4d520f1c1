package tool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// theRole: the profile is where a restart ends it and no image has it. Login
// shells learn of it by a script, as they do of a session's variables.
func theRole() roleFiles {
	return roleFiles{config: "/run/slipway-guest/aws-config", pointer: "/etc/profile.d/appstream_machine_role.sh", program: toolPath}
}

// configVariable is where programs of AWS look instead of in ~/.aws/config.
const configVariable = "AWS_CONFIG_FILE"

// point writes the script. Who has a configuration of his own keeps it: there can
// be only one.
func (p roleFiles) point() error {
	return writeWhole(p.pointer, `if [ -r `+p.config+` ] && [ -z "${`+configVariable+`-}" ] && [ ! -e "${HOME-}/.aws/config" ]; then
  export `+configVariable+`=`+p.config+`
fi
`)
}

func (p roleFiles) unpoint() error {
	if err := os.Remove(p.pointer); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// environ is what the script does, for programs that no login shell has started:
// env is the session's, home its user's.
func (p roleFiles) environ(env []string, home string) []string {
	if slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, configVariable+"=") }) {
		return env
	}
	if _, err := os.Lstat(filepath.Join(home, ".aws", "config")); err == nil {
		return env
	}
	if _, err := os.Stat(p.config); err != nil {
		return env
	}
	return append(slices.Clip(env), configVariable+"="+p.config)
}
