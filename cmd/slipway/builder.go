package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

func builderCommand() *command {
	return &command{
		name:    "builder",
		summary: "List and show image builders with their machines",
		subs:    []*command{builderLs(), builderShow()},
	}
}

func builderLs() *command {
	return &command{
		name: "ls", summary: "List image builders",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var l adminapi.Builders
				if err := c.call(ctx, "GET", "/image-builders", nil, &l); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, l)
				}
				if len(l.Builders) == 0 {
					fmt.Fprintln(io.err, "There are no image builders.")
					return nil
				}
				var rows [][]string
				for _, b := range l.Builders {
					rows = append(rows, []string{b.Name, b.State, b.InstanceType, fmt.Sprintf("%d MiB", b.MemoryMB), b.Machine, age(time.Now(), b.Created)})
				}
				return table(io.out, "NAME STATE TYPE MEMORY MACHINE AGE", rows)
			}
		},
	}
}

func builderShow() *command {
	return &command{
		name: "show", args: "NAME",
		summary: "Show an image builder: state, what its machine has, how its guest booted, the work on it",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "NAME"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var b adminapi.Builder
				if err := c.call(ctx, "GET", "/image-builders/"+url.PathEscape(args[0]), nil, &b); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, b)
				}
				printBuilder(io, &b)
				return nil
			}
		},
	}
}

func printBuilder(io streams, b *adminapi.Builder) {
	w := io.out
	fmt.Fprintf(w, "%s  %s\n%s\n", b.Name, b.State, b.ARN)
	if b.Reason != nil {
		fmt.Fprintf(w, "%s: %s\n", b.Reason.Code, b.Reason.Message)
	}
	fmt.Fprintf(w, "From %s; platform %s\n", b.Image, orDash(b.Platform))
	fmt.Fprintf(w, "%s: %d vCPU, %d MiB, root volume of %d GiB; machine %s\n", b.InstanceType, b.CPUs, b.MemoryMB, b.VolumeGiB, b.Machine)
	printEvidence(io, &b.Evidence)
	if b.Job != nil {
		fmt.Fprintln(w, "\nWork:")
		printJob(io, b.Job)
	}
}
