package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
)

func diskCommand() *command {
	return &command{
		name:    "disk",
		summary: "List, verify and add up the sealed disks behind snapshots and images",
		subs:    []*command{diskLs(), diskVerify(), diskUsage()},
	}
}

func diskLs() *command {
	return &command{
		name: "ls", summary: "List sealed disks, who uses them and when they were verified",
		long: `
An account is shown the disks that its own snapshots, AMIs and images stand on, and
those alone; the account that runs the server is shown all of them.

STATE is ok (verified), unverified (not yet), damaged or missing. The server verifies
every disk once a week in the background (serve --scrub-rate).`,
		setup: asks(get("/disks"), listDisks),
	}
}

func listDisks(io streams, l *adminapi.Disks) error {
	if len(l.Disks) == 0 {
		fmt.Fprintln(io.err, "There is no sealed disk.")
		return nil
	}
	slices.SortFunc(l.Disks, func(a, b adminapi.Disk) int { return a.Created.Compare(b.Created) })
	return printDisks(io, l.Disks)
}

func printDisks(io streams, disks []adminapi.Disk) error {
	var rows [][]string
	for _, d := range disks {
		verified := age(time.Now(), d.Verified)
		if !d.Verified.IsZero() {
			verified += " ago"
		}
		if d.Verifying != nil {
			verified = "now"
		}
		rows = append(rows, []string{d.Digest, gib(d.SizeBytes), fmt.Sprintf("%d MB", d.DataBytes/1e6), d.State, verified, users(d.Users)})
	}
	if err := table(io.out, "DIGEST SIZE DATA STATE VERIFIED USED-BY", rows); err != nil {
		return err
	}
	for _, d := range disks {
		if d.Damage != "" {
			fmt.Fprintf(io.err, "%s: %s `slipway fsck --repair` marks what stands on it; the same content sent again replaces it.\n", d.Digest, d.Damage)
		}
	}
	return nil
}

// users names resources, with their account where there are several.
func users(all []adminapi.Subject) string {
	accounts := map[string]bool{}
	for _, u := range all {
		accounts[u.Account] = true
	}
	var words []string
	for _, u := range all {
		w := u.Kind + ":" + u.Name
		if len(accounts) > 1 {
			w = u.Account + "/" + w
		}
		words = append(words, w)
	}
	return orDash(strings.Join(words, " "))
}

func diskVerify() *command {
	return &command{
		name: "verify", args: "DIGEST",
		summary: "Read a whole sealed disk and compare it with its digest",
		long:    "Only the account that runs the server may. Exits with 1 when the disk is damaged.",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "DIGEST"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				d, err := verifyDisk(ctx, c, args[0], io)
				if err != nil {
					return err
				}
				switch {
				case *asJSON:
					err = printJSON(io.out, d)
				case d.Damage == "":
					_, err = fmt.Fprintf(io.out, "%s is whole: %d MB of data were read.\n", d.Digest, d.DataBytes/1e6)
				default:
					_, err = fmt.Fprintf(io.out, "%s is damaged: %s\n", d.Digest, d.Damage)
				}
				return cmp.Or(err, quietIf(d.Damage != ""))
			}
		},
	}
}

func quietIf(bad bool) error {
	if bad {
		return errQuiet
	}
	return nil
}

// pollEvery is how often a client asks how far something is.
const pollEvery = 250 * time.Millisecond

func verifyDisk(ctx context.Context, c *adminClient, digest string, io streams) (d adminapi.Disk, err error) {
	path := "/disks/" + url.PathEscape(digest)
	if err := c.call(ctx, "POST", path+"/verify", nil, &d); err != nil {
		return d, err
	}
	b := newBar(io.err, "verify", "MB", 0, d.DataBytes)
	defer b.end()
	for d.Verifying != nil {
		b.set(d.Verifying.Done, d.DataBytes, "")
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(pollEvery):
		}
		d = adminapi.Disk{}
		if err := c.call(ctx, "GET", path, nil, &d); err != nil {
			return d, err
		}
	}
	return d, nil
}

func diskUsage() *command {
	return &command{
		name: "usage", summary: "Say what each account takes of the store of sealed disks",
		long: `
VIRTUAL is the size of the disk for each snapshot, image and task that stands on one.
DATA is what is really stored: the blocks that are not all zeros, of each different disk
once. OWN is the part of DATA in disks that no other account uses; SHARE adds to it, of
each disk that n accounts use, one nth, so that the shares add up to what there is. An
account that does not run the server is told its own VIRTUAL and DATA alone: the other
two would tell it what others have.`,
		setup: asks(get("/usage"), printUsage),
	}
}

func printUsage(io streams, u *adminapi.Usage) error {
	mb := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprintf("%d MB", *n/1e6)
	}
	var rows [][]string
	for _, a := range u.Accounts {
		rows = append(rows, []string{a.Account, fmt.Sprint(a.Holders), fmt.Sprint(a.Disks), gib(a.VirtualBytes), mb(&a.DataBytes), mb(a.OwnBytes), mb(a.ShareBytes)})
	}
	return table(io.out, "ACCOUNT HOLDERS DISKS VIRTUAL DATA OWN SHARE", rows)
}
