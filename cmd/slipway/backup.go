package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/work"
	"slipway/work/backup"
)

func backupCommand() *command {
	return &command{
		name: "backup", args: "DIR|FILE.tar",
		summary: "Copy a data directory, also while a server runs on it",
		long: `
The copy is of one moment: the database as of one commit, and every sealed disk that it
refers to. It is read back before it appears. As a directory, on the file system of the
data directory, disks are hard links and take no space; copy such a backup elsewhere to
be safe from that file system. As a file, only the data of disks is in it, not their
empty space.

Left out: machines and what they wrote (what was changed in image builders too), uploads
that are not complete, and client.json. Secrets are in it: keep it as safe as the data directory.

Exits with 1 when a disk was damaged or missing; the backup is made without it.`,
		setup: func(fs *flag.FlagSet) action {
			dir := fs.String("data-dir", defaultDataDir(), "copy this data `dir`ectory; also SLIPWAY_DATA")
			asJSON := jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "DIR|FILE.tar"); err != nil {
					return err
				}
				b := newBar(io.err, "backup", "MB", 0, 0)
				o := backupOptions(*dir)
				o.Progress = func(done, total int64) { b.set(done, total, "") }
				begun := time.Now()
				m, err := backup.Write(ctx, o, filepath.Clean(args[0]))
				b.end()
				if err != nil {
					return plain(ctx, err)
				}
				if *asJSON {
					err = printJSON(io.out, m)
				} else {
					fmt.Fprintf(io.out, "%s: the database, %d sealed disks with %d MB of data, %d other files; written and read back in %.1f s.\n",
						args[0], len(m.Disks), m.Bytes/1e6, len(m.Files)-1, time.Since(begun).Seconds())
				}
				for _, d := range m.Lost {
					fmt.Fprintf(io.err, "Not in it, since it is damaged or missing: %s. `slipway fsck` says who uses it.\n", d)
				}
				return errors.Join(err, quietIf(len(m.Lost) > 0))
			}
		},
	}
}

func restoreCommand() *command {
	return &command{
		name: "restore", args: "BACKUP DIR",
		summary: "Make a data directory of a backup",
		long: `
DIR must be empty or not there; it appears when everything in it was verified. Start the
server on it with  slipway serve --data-dir DIR.  Jobs that were under way begin anew;
snapshots that were being uploaded have lost their blocks. A backup made by a newer
version of this program is refused.`,
		setup: func(fs *flag.FlagSet) action {
			asJSON := jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "BACKUP", "DIR"); err != nil {
					return err
				}
				m, found, err := backup.Restore(ctx, backupOptions(""), filepath.Clean(args[0]), filepath.Clean(args[1]))
				if err != nil {
					return plain(ctx, err)
				}
				if *asJSON {
					err = printJSON(io.out, m)
				} else {
					fmt.Fprintf(io.out, "%s is as the server was at %s: %d sealed disks with %d MB of data, verified.\n",
						args[1], m.At.Local().Format(time.DateTime), len(m.Disks), m.Bytes/1e6)
				}
				for _, f := range found {
					fmt.Fprintln(io.err, f)
				}
				return errors.Join(err, quietIf(len(found) > 0))
			}
		},
	}
}

// plain is an error of the offline commands as a person reads it.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Canceled
	}
	return notChecked{err}
}

func backupOptions(dataDir string) backup.Options {
	return backup.Options{
		DataDir: dataDir, Database: sqlite.File, Program: version, Clock: domain.WallClock, Copy: sqlite.Copy,
		Open: func(dir string) (store.Store, error) {
			return sqlite.Open(dir, sqlite.Options{Clock: domain.WallClock})
		},
		Check: checkRestored,
	}
}

// checkRestored says what is wrong with a data directory that nobody uses.
func checkRestored(ctx context.Context, dir string) ([]string, error) {
	rep, err := fsckDir(ctx, dir, adminapi.FsckRequest{Quick: true}, streams{discard{}, discard{}})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range rep.Findings {
		if f.Severity != string(work.SeverityNote) {
			out = append(out, fmt.Sprintf("%s: %s: %s", f.Code, f.Subject, f.Text))
		}
	}
	// The lock names us; the next owner makes its own.
	return out, os.Remove(filepath.Join(dir, sqlite.LockFile))
}
