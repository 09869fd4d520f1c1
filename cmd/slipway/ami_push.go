package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"

	"slipway/cmd/slipway/internal/transfer"
)

// amiName is what EC2 takes as a name. Checked here too, since EC2 sees it only
// after the upload.
var amiName = regexp.MustCompile(`^[a-zA-Z0-9()\[\] ./\-'@_]{3,128}$`)

func amiPush() *command {
	return &command{
		name: "push", args: "DISK --name NAME",
		summary: "Upload a disk and register a machine image of it",
		long: `
Takes raw, qcow2, VMDK (monolithicSparse, streamOptimized), VHD, VHDX and OVA, and
those compressed by gzip, zstd or xz; what they are is told by their bytes, not by
their names. No other program is needed. What cannot be taken is refused before
anything is sent, with the remedy.

Sends what the disk holds, in parallel, and leaves out what is zero; then
registers an AMI: x86_64, UEFI, TPM 2.0, one gp3 volume. A push that was cut
short goes on when the same command is given again.

The target is the server of --data-dir, or wherever the AWS environment points,
which may be AWS itself.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			o := transfer.PushOptions{Tags: map[string]string{}}
			fs.StringVar(&o.Name, "name", "", "the machine image's `name`, unique in your account and Region")
			fs.StringVar(&o.Description, "description", "", "describe the machine image with this `text`")
			fs.Var(tagsFlag(o.Tags), "tag", "tag image and snapshot with `key=value`; may be repeated")
			fs.StringVar(&o.Member, "disk", "", "take this `file` out of an OVA with several disks")
			fs.IntVar(&o.Parallel, "parallel", defaultParallel(), "send this `number` of blocks at once")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "DISK"); err != nil {
					return err
				}
				if o.Name == "" {
					return &usageError{msg: "--name is missing"}
				}
				if !amiName.MatchString(o.Name) {
					return &usageError{msg: fmt.Sprintf("--name is %q: it must have 3 to 128 letters, digits, spaces or ( ) [ ] . / - ' @ _", o.Name)}
				}
				if err := checkParallel(o.Parallel); err != nil {
					return err
				}
				t, err := resolve(ctx, *dir)
				if err != nil {
					return err
				}
				if o.StateDir, err = pushStateDir(); err != nil {
					return err
				}
				o.Path, o.Endpoint = args[0], t.Endpoint+"|"+t.Region
				fmt.Fprintf(io.err, "Pushing %s to %s\n", o.Path, t)
				r, err := transfer.Push(ctx, transferClients(t), o, &console{io: io})
				if err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, r)
				}
				if r.Existed {
					fmt.Fprintf(io.err, "%q was pushed from this disk already; nothing to do.\n", r.Name)
				} else {
					fmt.Fprintf(io.err, "Sent %d MB of a disk of %s in %.1f s.\n", r.SentBytes/1e6, gib(r.DiskBytes), r.Seconds)
				}
				_, err = fmt.Fprintln(io.out, r.AMI)
				return err
			}
		},
	}
}
