package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"slipway/cmd/slipway/internal/transfer"
	"slipway/disk/convert"
	"slipway/disk/gate"
)

// pulled is what ami pull prints with --json.
type pulled struct {
	transfer.PullResult
	Format    gate.Format `json:"format"`
	FileBytes int64       `json:"file_bytes"`
	Digest    string      `json:"digest,omitempty"` // of a disk that was converted
}

func amiPull() *command {
	return &command{
		name: "pull", args: "AMI OUT",
		summary: "Download a machine image's boot disk into a file",
		long: `
Fetches what the disk holds, in parallel, verifies every block and writes a
sparse raw file, which appears as OUT when it is whole. A pull that was cut
short leaves OUT.part and goes on when the same command is given again.

The format is that of --format, or of OUT's extension: raw, qcow2 (compressed
with zstd), vmdk (streamOptimized), vhd, vhdx or ova. For all but raw the disk
is converted by qemu-img on this machine, in a sandbox, and compared with what
was pulled before it appears.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			var o transfer.PullOptions
			format := fs.String("format", "", "write this `format`: raw, qcow2, vmdk, vhd, vhdx or ova (default: by OUT's extension, else raw)")
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
				f, err := pullFormat(*format, args[1])
				if err != nil {
					return err
				}
				t, err := resolve(ctx, *dir)
				if err != nil {
					return err
				}
				o.AMI, o.Out = args[0], args[1]
				return pull(ctx, t, o, f, *asJSON, io)
			}
		},
	}
}

// pullFormat decides by the flag, then by the extension.
func pullFormat(flag, out string) (gate.Format, error) {
	if flag == "" {
		if f, ok := convert.FormatOf(filepath.Ext(out)); ok {
			return f, nil
		}
		return gate.Raw, nil
	}
	f, ok := convert.FormatOf(flag)
	if !ok {
		return "", &usageError{msg: fmt.Sprintf("--format is %q: it must be one of %v", flag, convert.Formats())}
	}
	return f, nil
}

func pull(ctx context.Context, t *target, o transfer.PullOptions, f gate.Format, asJSON bool, io streams) error {
	show := &console{io: io}
	c := &convert.Converter{Warn: func(text string) { show.Say("%s", text) }}
	out := o.Out
	if f != gate.Raw {
		if err := c.Check(ctx); err != nil {
			return err
		}
		if err := mayWrite(out, o.Force); err != nil {
			return err
		}
		o.Out, o.Force = beside(out), true
	}
	fmt.Fprintf(io.err, "Pulling %s from %s\n", o.AMI, t)
	got, err := transfer.Pull(ctx, transferClients(t), o, show)
	if err != nil {
		return err
	}
	r := pulled{PullResult: got, Format: f, FileBytes: got.DiskBytes}
	if f != gate.Raw {
		if err := convertPulled(ctx, c, &r, out, show); err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(io.out, r)
	}
	fmt.Fprintf(io.err, "Received %d MB of a disk of %s in %.1f s.\n", r.GotBytes/1e6, gib(r.DiskBytes), r.Seconds)
	_, err = fmt.Fprintln(io.out, r.Path)
	return err
}

// mayWrite says before the transfer what would stop it in the end.
func mayWrite(out string, force bool) error {
	info, err := os.Stat(out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory: name the file to write", out)
	case !force:
		return fmt.Errorf("%s exists: choose another name, or replace it with --force", out)
	}
	return nil
}

// beside is where the raw disk lies until it is converted.
func beside(out string) string {
	return filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".raw")
}

// convertPulled turns the raw disk into the file that was asked for; the raw
// disk goes in any case.
func convertPulled(ctx context.Context, c *convert.Converter, r *pulled, out string, show *console) (err error) {
	raw := r.Path
	defer func() { err = errors.Join(err, os.Remove(raw)) }()
	show.Start("convert", 0, r.DiskBytes)
	defer show.End()
	var shown int64
	done, err := c.File(ctx, raw, out, convert.Options{Format: r.Format, Replace: true, Progress: func(done, total int64, _ string) {
		at := r.DiskBytes / total * done
		show.Add(max(0, at-shown))
		shown = max(shown, at)
	}})
	if err != nil {
		return err
	}
	r.Path, r.FileBytes, r.Digest = out, done.FileBytes, done.Digest.String()
	return nil
}
