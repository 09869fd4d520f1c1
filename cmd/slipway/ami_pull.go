package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"slipway/cmd/slipway/internal/transfer"
)

func amiPull() *command {
	return &command{
		name: "pull", args: "AMI OUT",
		summary: "Download a machine image's boot disk into a raw file",
		long: `
Fetches what the disk holds, in parallel, verifies every block and writes a
sparse raw file, which appears as OUT when it is whole. A pull that was cut
short leaves OUT.part and goes on when the same command is given again.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			var o transfer.PullOptions
			fs.BoolVar(&o.Force, "force", false, "replace OUT when it exists")
			fs.IntVar(&o.Parallel, "parallel", defaultParallel(), "fetch this `number` of blocks at once")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "AMI", "OUT"); err != nil {
					return err
				}
				if !strings.HasPrefix(args[0], "ami-") {
					return &usageError{msg: fmt.Sprintf("%q is no machine image: it begins with ami-; list yours with slipway ami ls", args[0])}
				}
				if err := checkParallel(o.Parallel); err != nil {
					return err
				}
				t, err := resolve(ctx, *dir)
				if err != nil {
					return err
				}
				o.AMI, o.Out = args[0], args[1]
				fmt.Fprintf(io.err, "Pulling %s from %s\n", o.AMI, t)
				r, err := transfer.Pull(ctx, transferClients(t), o, &console{io: io})
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, r)
				}
				fmt.Fprintf(io.err, "Received %d MB of a disk of %s in %.1f s.\n", r.GotBytes/1e6, gib(r.DiskBytes), r.Seconds)
				_, err = fmt.Fprintln(io.out, r.Path)
				return err
			}
		},
	}
}
