// Command demo runs the main job from end to end on this machine: a real disk
// in, an image whose guest has booted, a real disk out.
//
// It is a script in Go and holds nothing of its own: it starts bin/slipway and
// uses its command line for what moves disks, and the AWS SDK for everything
// that AWS has an operation for, as a user would. `make demo` builds what it
// needs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"slipway/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

type options struct {
	binary string
	disk   string
	keep   bool
	limit  time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.StringVar(&o.binary, "slipway", "bin/slipway", "the program to show")
	fs.StringVar(&o.disk, "disk", ".cache/guest/disks/linux.raw", "the raw disk to import")
	fs.BoolVar(&o.keep, "keep", false, "let the server run on at the end")
	fs.DurationVar(&o.limit, "limit", 15*time.Minute, "give up after this time")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, p := range []*string{&o.binary, &o.disk} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("%w: run this through `make demo`, which makes it", err)
		}
		*p = abs
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "slipway-demo-")
	if err != nil {
		return err
	}
	d := &demo{options: o, dir: dir, data: filepath.Join(dir, "data"), out: stdout, err: stderr}
	if err := d.start(ctx); err != nil {
		return d.failed(err)
	}
	if err := d.play(ctx); err != nil {
		d.stop()
		return d.failed(err)
	}
	d.table()
	if !o.keep {
		d.stop()
	}
	d.goodbye()
	return nil
}

// demo is one run of the show.
type demo struct {
	options
	dir, data string
	out, err  io.Writer
	server    *rig.Daemon
	steps     []step

	ami, image, task string
	exported         string // AMI
	exportedDisk     string
	screenshot       string
}

// step is one row of the table at the end.
type step struct {
	name, result string
	took         time.Duration
}

// do runs one step of the show and keeps its time.
func (d *demo) do(name string, f func() (string, error)) error {
	fmt.Fprintf(d.err, "\n%d. %s\n", len(d.steps)+1, name)
	begun := time.Now()
	result, err := f()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.steps = append(d.steps, step{name, result, time.Since(begun)})
	return nil
}

func (d *demo) table() {
	var width int
	var total time.Duration
	for _, s := range d.steps {
		width = max(width, len(s.name))
		total += s.took
	}
	line := strings.Repeat("-", width+50)
	fmt.Fprintf(d.out, "\n%-*s  %9s  %s\n%s\n", width, "Step", "Time", "Result", line)
	for _, s := range d.steps {
		fmt.Fprintf(d.out, "%-*s  %7.1f s  %s\n", width, s.name, s.took.Seconds(), s.result)
	}
	fmt.Fprintf(d.out, "%s\n%-*s  %7.1f s\n", line, width, "All", total.Seconds())
}

func (d *demo) goodbye() {
	fmt.Fprintf(d.out, "\nThe booted guest's screen: %s\nThe exported disk:         %s\n", d.screenshot, d.exportedDisk)
	if d.keep {
		fmt.Fprintf(d.out, "\nThe server runs on, as process %d. Use it from this shell:\n", d.server.Pid())
	} else {
		fmt.Fprintf(d.out, "\nThe server is stopped. Start it again on the same data, and use it from another shell:\n"+
			"  %s serve --data-dir %s --import-rules open\n", d.binary, d.data)
	}
	fmt.Fprintf(d.out, "  eval \"$(%s env --data-dir %s)\"\n  aws appstream describe-images\n  %s image show %s\n"+
		"\nRemove everything with: rm -r %s\n", d.binary, d.data, d.binary, d.image, d.dir)
}
