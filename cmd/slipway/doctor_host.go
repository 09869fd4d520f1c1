package main

import (
	"context"
	"strings"

	"slipway/compute/qemu"
	"slipway/guest/bundle"
)

// probeHost says what the machine offers to virtual machines.
func probeHost(ctx context.Context) []check {
	report := qemu.Probe(ctx)
	var checks []check
	for _, c := range report.Checks {
		k := check{Name: c.Name, Level: levelOK, Found: c.Detail, Remedy: c.Remedy}
		switch {
		case c.OK:
		case c.Needed:
			k.Level = levelFail
		default:
			k.Level = levelWarn
		}
		checks = append(checks, k)
	}
	if report.Apt != "" {
		// The report's own line names the packages; diagnose prints one line
		// for all checks.
		_, names, _ := strings.Cut(report.Apt, "install ")
		for i := range checks {
			if checks[i].Level != levelOK && strings.HasPrefix(checks[i].Remedy, "apt-get install ") {
				checks[i].Packages = strings.Fields(names)
				break
			}
		}
	}
	return append(checks, checkGuestTools(bundle.Missing()))
}

// checkGuestTools tells whether this program carries what image builders get on a
// CD.
func checkGuestTools(missing []string) check {
	if len(missing) == 0 {
		return check{Name: "guest tools", Level: levelOK, Found: "in this program, for Linux and Windows"}
	}
	return check{Name: "guest tools", Level: levelWarn, Found: "not in this program: " + strings.Join(missing, ", "),
		Remedy: "Build it with make build. Image builders run without; images cannot be made from inside them."}
}
