package main

import (
	"context"
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

// asked is a command that reads one answer of the admin API and prints it.
func asked[T any](args []string, path func(args []string, fs *flag.FlagSet) string, extra func(fs *flag.FlagSet), show func(io streams, v *T) error) func(fs *flag.FlagSet) action {
	return func(fs *flag.FlagSet) action {
		dir, asJSON := targetFlag(fs), jsonFlag(fs)
		if extra != nil {
			extra(fs)
		}
		return func(ctx context.Context, given []string, io streams) error {
			if err := exactly(given, args...); err != nil {
				return err
			}
			c, err := newAdminClient(ctx, *dir)
			if err != nil {
				return err
			}
			var v T
			if err := c.call(ctx, "GET", path(given, fs), nil, &v); err != nil {
				return err
			}
			if *asJSON {
				return printJSON(io.out, v)
			}
			return show(io, &v)
		}
	}
}

func fleetLs() *command {
	return &command{
		name: "ls", summary: "List fleets",
		setup: asked(nil, func([]string, *flag.FlagSet) string { return "/fleets" }, nil, func(io streams, l *adminapi.Fleets) error {
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
		setup: asked([]string{"NAME"}, func(args []string, _ *flag.FlagSet) string { return "/fleets/" + url.PathEscape(args[0]) }, nil, printFleet),
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
		setup: asked(nil, func(_ []string, fs *flag.FlagSet) string {
			return "/sessions?" + url.Values{"fleet": {fs.Lookup("fleet").Value.String()}}.Encode()
		}, func(fs *flag.FlagSet) { fs.String("fleet", "", "only those of the fleet `NAME`") }, func(io streams, l *adminapi.Sessions) error {
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
