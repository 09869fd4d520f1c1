package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/store/sqlite"
	"slipway/work"
)

func fsckCommand() *command {
	return &command{
		name:    "fsck",
		summary: "Compare what the server knows with the files it keeps",
		long: `
Reads every sealed disk and compares it with its digest, and compares the database with
the files: disks that are referred to exist, nothing lies around that nobody needs, work
under way has what it works on. A server that runs on the data directory does it itself
and goes on serving; otherwise nothing may start there meanwhile.

--repair does what is safe: it removes what nobody uses, writes down references that are
missing, and marks what stands on damaged or missing disks (images become FAILED, AMIs
and snapshots error, with the reason). It never removes anything that somebody refers to.

The exit status is 0 when nothing is wrong, 1 when something was found (also when it was
repaired: run it again), 2 when it could not be checked.`,
		setup: func(fs *flag.FlagSet) action {
			dir := fs.String("data-dir", defaultDataDir(), "check this data `dir`ectory; also SLIPWAY_DATA")
			asJSON := jsonFlag(fs)
			repair := fs.Bool("repair", false, "do what is safe")
			quick := fs.Bool("quick", false, "do not read the data of disks")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				rep, err := fsckDir(ctx, *dir, adminapi.FsckRequest{Repair: *repair, Quick: *quick}, io)
				if ctx.Err() != nil {
					return context.Canceled
				}
				if err != nil {
					return notChecked{err}
				}
				if *asJSON {
					err = printJSON(io.out, rep)
				} else {
					printFsck(io, rep)
				}
				if err == nil && !rep.Clean {
					err = errQuiet
				}
				return err
			}
		},
	}
}

// fsckDir checks a data directory, by the server that runs there or itself.
func fsckDir(ctx context.Context, dir string, in adminapi.FsckRequest, io streams) (*adminapi.FsckReport, error) {
	if _, err := os.Stat(filepath.Join(dir, sqlite.File)); err != nil {
		return nil, fmt.Errorf("%s holds no server's data: name the directory with --data-dir", dir)
	}
	st, err := sqlite.Open(dir, sqlite.Options{Clock: domain.WallClock})
	if fault.Is(err, fault.InUse) {
		return fsckOnline(ctx, dir, in, io)
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	disks, err := disk.Open(filepath.Join(dir, "disks"))
	if err != nil {
		return nil, err
	}
	b := newBar(io.err, "read", "MB", 0, 0)
	defer b.end()
	f := &work.Fsck{
		World: &work.World{Store: st, Disks: disks, Clock: domain.WallClock, DataDir: dir}, Log: slog.New(slog.DiscardHandler),
		Repair: in.Repair, Quick: in.Quick, Progress: func(done, total int64) { b.set(done, total, "") },
		Machines: func(context.Context) ([]string, error) { return machineDirs(dir) },
	}
	rep, err := f.Run(ctx)
	if err != nil {
		return nil, err
	}
	return fsckShape(rep), nil
}

// machineDirs names machines by their directories: without a server no driver
// is asked.
func machineDirs(dir string) ([]string, error) {
	list, err := os.ReadDir(filepath.Join(dir, "run"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	var ids []string
	for _, e := range list {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

func fsckOnline(ctx context.Context, dir string, in adminapi.FsckRequest, io streams) (*adminapi.FsckReport, error) {
	c, err := newAdminClient(ctx, dir)
	if err != nil {
		return nil, err
	}
	var f adminapi.Fsck
	if err := c.call(ctx, "POST", "/fsck", in, &f); err != nil {
		return nil, err
	}
	b := newBar(io.err, "read", "MB", 0, 0)
	defer b.end()
	for f.Running {
		b.set(f.Progress.Done, f.Progress.Total, "")
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
		f = adminapi.Fsck{}
		if err := c.call(ctx, "GET", "/fsck", nil, &f); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Error != "":
		return nil, fmt.Errorf("the server could not check: %s", f.Error)
	case f.Report == nil:
		return nil, fmt.Errorf("the server was restarted while it checked: run it again")
	}
	return f.Report, nil
}

func printFsck(io streams, r *adminapi.FsckReport) {
	for _, f := range r.Findings {
		fmt.Fprintf(io.out, "%-7s  %-16s  %s\n%27s%s\n", f.Severity, f.Code, f.Subject, "", f.Text)
		if len(f.Users) > 0 {
			fmt.Fprintf(io.out, "%27sused by %s\n", "", users(f.Users))
		}
		switch {
		case f.Repaired && len(f.Users) > 0:
			fmt.Fprintf(io.out, "%27sWritten down. %s\n", "", f.Remedy)
		case f.Repaired:
			fmt.Fprintf(io.out, "%27sRepaired.\n", "")
		case f.Remedy != "":
			fmt.Fprintf(io.out, "%27s%s\n", "", f.Remedy)
		}
	}
	word := "Nothing is wrong."
	if !r.Clean {
		word = "Something is wrong."
	}
	fmt.Fprintf(io.out, "%s %d sealed disks were verified, %d MB of data read.\n", word, r.Disks, r.Bytes/1e6)
}
