// Command bench measures, in one run on one disk of this machine, what Slipway
// adds to what the machine needs anyway, and prints it as a table with goals:
//
//	make bench           go run ./test/bench [--only memory,import,push,boot,builder,screen,start,reads]
//
// Everything is a ratio or a time of this run; caches are neither dropped nor
// warmed beyond what the order of the measurements does to both sides. A goal
// that is missed is marked; the exit status stays 0.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// bench is one run.
type bench struct {
	ctx    context.Context
	bin    string
	dir    string
	guest  string // a disk that boots; "" when there is none
	rounds int

	serve    []string // further arguments of servers
	readTime time.Duration
	sizes    []int // of stores that are read

	srv   *rig.Daemon
	c     *clients.Clients
	role  string
	table table
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	only := flag.String("only", "", "measure only these: memory, import, inspect, push, seal, convert, merge, boot, builder, screen, start, reads")
	rounds := flag.Int("rounds", 3, "how often to measure each; the median counts")
	guest := flag.String("disk", os.Getenv("SLIPWAY_GUEST_DISK"), "a raw disk that boots; made when empty")
	in := flag.String("dir", os.TempDir(), "where to work: the disk that is measured")
	readTime := flag.Duration("read-time", 3*time.Second, "how long each measurement of requests takes")
	images := flag.String("images", "100,10000,100000", "numbers of images that reads are measured with")
	serve := flag.String("serve", "", "further arguments of serve, separated by spaces")
	flag.Parse()

	dir, err := os.MkdirTemp(*in, "slipway-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	b := &bench{ctx: ctx, dir: dir, guest: *guest, rounds: *rounds, readTime: *readTime}
	b.serve = strings.Fields(*serve)
	for n := range strings.SplitSeq(*images, ",") {
		size, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		b.sizes = append(b.sizes, size)
	}
	if b.bin, err = rig.Build(ctx, dir); err != nil {
		return err
	}
	if b.srv, err = rig.Launch(ctx, rig.Options{Bin: b.bin, DataDir: filepath.Join(dir, "data"),
		Args: append([]string{"--import-rules", "open"}, b.serve...), Apart: true}); err != nil {
		return err
	}
	defer func() {
		b.srv.Kill()
		for _, p := range rig.Processes(dir) { // machines outlive their server
			_ = syscall.Kill(p.Pid, syscall.SIGKILL) // it may have ended by itself
		}
	}()
	b.c = clients.New(b.srv.Client)
	if b.role, err = b.c.MakeRole(ctx, "bench"); err != nil {
		return err
	}
	// Also what was measured before something failed.
	defer b.table.print(os.Stdout)
	for _, part := range []struct {
		name string
		f    func() error
	}{{"memory", b.idle}, {"import", b.imports}, {"inspect", b.inspections}, {"push", b.transfers}, {"seal", b.seals}, {"convert", b.conversions}, {"merge", b.merges}, {"boot", b.boots}, {"builder", b.runnings}, {"screen", b.screens}, {"start", b.starts}, {"reads", b.reads}} {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", part.name)
		if err := part.f(); ctx.Err() != nil {
			return fmt.Errorf("%s: it was told to end", part.name)
		} else if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// median of some measurements.
func median[T interface{ ~int64 | ~float64 }](xs []T) T {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
