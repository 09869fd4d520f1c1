// Command soak kills the server, its inspection workers and its machines again
// and again while real guests boot, and says what became of everything:
//
//	make soak            go run ./test/soak [--minutes 5] [--kills 10] [--seed N] [--compute fake]
//	make soak-sessions   go run ./test/soak --sessions --pause 2s [--minutes 5]
//
// With --sessions, users stream from a fleet of machines that are not real, which
// are taken away at random, too.
// It ends with an error when something was lost or left behind. What it does is
// in package test/crash.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"slipway/disk/fixture"
	"slipway/test/crash"
	"slipway/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	kills := flag.Int("kills", 10, "how often to kill the server at least")
	minutes := flag.Float64("minutes", 5, "go on killing this long at least")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()%1e9), "where the randomness comes from")
	compute := flag.String("compute", "qemu", "qemu or fake")
	pause := flag.Duration("pause", 12*time.Second, "the longest time between a start and its kill")
	disk := flag.String("disk", os.Getenv("SLIPWAY_GUEST_DISK"), "a raw disk that boots; made when empty")
	free := flag.Int64("free-block", 2000, "a block of 512 KiB of that disk that nothing uses")
	sessions := flag.Bool("sessions", false, "have 36 users stream from a fleet with 30 fake instances")
	flag.Parse()

	dir, err := os.MkdirTemp("", "slipway-soak-")
	if err != nil {
		return err
	}
	bin, err := rig.Build(ctx, dir)
	if err != nil {
		return err
	}
	o := crash.Options{
		Bin: bin, Dir: dir, Seed: *seed, Kills: *kills, Pause: *pause, Workers: 2, Limit: 5 * time.Minute,
		For:  time.Duration(*minutes * float64(time.Minute)),
		Args: []string{"--import-rules", "open", "--compute", *compute},
		Odds: crash.Odds{Abandon: 8, Validate: 30, Cancel: 10, Delete: 50, Build: 90},
	}
	if *sessions {
		o.Args, o.Workers, o.Machine = []string{"--compute", "fake", "--fake-boot-time", "300ms"}, 36, true
		return soak(dir, o, func(o crash.Options) (*crash.Report, error) { return crash.Sessions(ctx, o, 30) })
	}
	if *compute == "fake" {
		o.Args = append(o.Args, "--fake-boot-time", "300ms", "--boot-stall", "1s")
		o.Odds.Fault, o.Workers = 30, 8
		*disk, *free = filepath.Join(dir, "debian.raw"), 1800
		if err := fixture.Make(ctx, fixture.Debian12, *disk, fixture.Options{SizeBytes: 1 << 30}); err != nil {
			return err
		}
	}
	o.Machine = *compute == "qemu"
	if o.Machine {
		// Two guests at a time fit beside other work.
		types := filepath.Join(dir, "types.json")
		if err := os.WriteFile(types, []byte(`{"types": [{"type": "GeneralPurpose.m7i.large", "vcpu": 1, "memory_gib": 0.5}]}`), 0o600); err != nil {
			return err
		}
		o.Args = append(o.Args, "--instance-types", types)
	}
	if *disk == "" {
		if *disk, err = rig.SampleDisk(ctx); err != nil {
			return fmt.Errorf("making the guest's disk: %w", err)
		}
	}
	d, err := crash.ReadDisk(*disk, *free)
	if err != nil {
		return err
	}
	o.Disks = []crash.Disk{d}
	return soak(dir, o, func(o crash.Options) (*crash.Report, error) { return crash.Run(ctx, o) })
}

// soak makes a run, whose log lies in dir, and says what came out.
func soak(dir string, o crash.Options, run func(crash.Options) (*crash.Report, error)) error {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	o.Log = log
	fmt.Printf("soak: seed %d, %v and %d kills of the server at least; the log is %s\n", o.Seed, o.For, o.Kills, log.Name())
	begun := time.Now()
	report, err := run(o)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s\n", report.Table, time.Since(begun).Round(time.Second))
	if len(report.Faults) > 0 {
		for _, f := range report.Faults {
			fmt.Println("WRONG:", f)
		}
		return errors.New("something was lost or left behind; the data directory is kept in " + dir)
	}
	return os.RemoveAll(dir)
}
