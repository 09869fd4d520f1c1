// Command scale grows a server with fake machines step by step and measures at
// each size what one instance more costs: time, processor, memory, disk, and how
// long a change takes until the world is as it should be.
//
//	make scale           go run ./test/scale [--instances 1000,5000,20000,50000]
//
// It writes a table to standard output, and scale.csv, scale.svg and scale.png
// into the directory --out. Machines cost nothing and boot at once, so that what
// is measured is Slipway. Clients run on the same machine; what the server takes
// is told apart by its own processor time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	o := options{}
	sizes := flag.String("instances", "1000,5000,20000,50000", "numbers of instances that are measured, growing")
	flag.IntVar(&o.perFleet, "per-fleet", 50, "instances of a fleet")
	flag.IntVar(&o.perSession, "per-session", 5, "instances for each of which there is one session")
	flag.Float64Var(&o.rate, "rate", 10, "changes a second while latencies are measured: sessions ended, machines killed, fleets made larger")
	flag.DurationVar(&o.churn, "churn", 20*time.Second, "how long that goes on at each size")
	flag.DurationVar(&o.idle, "idle", 65*time.Second, "how long the server is watched at rest at the last size; at others a tenth of it")
	flag.IntVar(&o.sockets, "sockets", 100, "sessions that are looked at over websockets at each size")
	serve := flag.String("serve", "", "further arguments of serve, separated by spaces")
	in := flag.String("dir", os.TempDir(), "where the server works")
	out := flag.String("out", ".cache/scale", "where the results go")
	flag.Parse()
	o.serve = strings.Fields(*serve)
	for n := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		o.sizes = append(o.sizes, size)
	}
	if o.dir, err = os.MkdirTemp(*in, "slipway-scale-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	if o.bin, err = rig.Build(ctx, o.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	o.log = os.Stderr
	points, err := measure(ctx, o)
	// Also what was measured before something failed.
	if len(points) == 0 {
		return err
	}
	fmt.Println(report(points))
	return errors.Join(err, save(*out, points), ctx.Err())
}

// save writes the files that are made of what was measured.
func save(dir string, points []point) error {
	picture, err := plotPNG(points)
	for name, b := range map[string][]byte{"scale.csv": table(points), "scale.svg": plotSVG(points), "scale.png": picture} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	return err
}
