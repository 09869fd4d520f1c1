package main

import (
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"slipway/api/admin/adminapi"
)

func fleetCommand() *command {
	return &command{
		name:    "fleet",
		summary: "List and show fleets with their instances",
		subs:    []*command{fleetLs(), fleetShow()},
	}
}

func fleetLs() *command {
	return &command{
		name: "ls", summary: "List fleets",
		setup: asks(get("/fleets"), func(io streams, l *adminapi.Fleets) error {
			if len(l.Fleets) == 0 {
				fmt.Fprintln(io.err, "There are no fleets.")
				return nil
			}
			var rows [][]string
			for _, f := range l.Fleets {
				rows = append(rows, []string{f.Name, f.State, f.Type, f.InstanceType, strconv.Itoa(f.Desired), strconv.Itoa(f.Running), strconv.Itoa(f.InUse), strconv.Itoa(f.Available), age(time.Now(), f.Created)})
			}
			return table(io.out, "NAME STATE KIND TYPE DESIRED RUNNING IN-USE AVAILABLE AGE", rows)
		}),
	}
}

func fleetShow() *command {
	return &command{
		name: "show", args: "NAME", summary: "Show a fleet: what it should have, what it has, and what is wrong",
		setup: asks(getNamed("/fleets/", "slipway fleet ls"), printFleet, "NAME"),
	}
}

func printFleet(io streams, f *adminapi.Fleet) error {
	fmt.Fprintf(io.out, "%s  %s\n%s\n%s of %s; image %s\n", f.Name, f.State, f.ARN, f.Type, f.InstanceType, orDash(f.Image))
	fmt.Fprintf(io.out, "Desired %d, running %d, in use %d, available %d\n", f.Desired, f.Running, f.InUse, f.Available)
	if s := f.Sessions; s != nil {
		fmt.Fprintf(io.out, "Sessions: room for %d, %d active, %d available\n", s.Desired, s.Active, s.Available)
	}
	if f.Failures > 0 {
		next := "another one is being tried"
		if f.RetryAt.After(time.Now()) {
			next = "the next one is tried at " + f.RetryAt.Local().Format(time.TimeOnly)
		}
		fmt.Fprintf(io.out, "%d in a row did not come up; %s\n", f.Failures, next)
	}
	for _, e := range f.Errors {
		fmt.Fprintf(io.out, "%s: %s\n", e.Code, e.Message)
	}
	if len(f.Instances) == 0 {
		return nil
	}
	fmt.Fprintln(io.out)
	var rows [][]string
	for _, i := range f.Instances {
		rows = append(rows, []string{i.ID, i.State, orDash(i.Zone), fmt.Sprintf("%d MiB", i.MemoryMB), age(time.Now(), i.Created), i.Why})
	}
	return table(io.out, "INSTANCE STATE ZONE MEMORY AGE WHY", rows)
}

func sessionCommand() *command {
	return &command{name: "session", summary: "List users' sessions", subs: []*command{sessionLs()}}
}

func sessionLs() *command {
	return &command{
		name: "ls", summary: "List sessions, also such that ended lately",
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			fleet := fs.String("fleet", "", "only those of the fleet `NAME`")
			return func([]string) (request, error) {
				return request{method: "GET", path: "/sessions?" + url.Values{"fleet": {*fleet}}.Encode(), list: "slipway fleet ls"}, nil
			}
		}, func(io streams, l *adminapi.Sessions) error {
			if len(l.Sessions) == 0 {
				fmt.Fprintln(io.err, "There are no sessions.")
				return nil
			}
			var rows [][]string
			for _, s := range l.Sessions {
				state := s.State
				if s.Connected {
					state += ", connected"
				}
				rows = append(rows, []string{s.ID, state, s.User, s.Stack, s.Fleet, s.Instance, age(time.Now(), s.Started), orDash(s.Why)})
			}
			return table(io.out, "SESSION STATE USER STACK FLEET INSTANCE AGE ENDED", rows)
		}),
	}
}
