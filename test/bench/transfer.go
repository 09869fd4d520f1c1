package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"slipway/test/rig"
)

const (
	virtual = 10 << 30
	data    = 1 << 30
	chunk   = 32 << 20
	// pushGoal is what a transfer may cost, in copies of the same file.
	pushGoal = 3.0
)

// makeDisk makes a disk that is measured: 1 GiB of data in so many bytes, spread
// in pieces of 32 MiB, every other piece random and the rest text-like.
func makeDisk(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	buf := make([]byte, chunk)
	const pieces = data / chunk
	for i := range int64(pieces) {
		if i%2 == 0 {
			_, _ = random.Read(buf) // never fails
		} else {
			for n := 0; n < len(buf); n += 64 {
				copy(buf[n:], fmt.Sprintf("%063d\n", int64(n)+i))
			}
		}
		if _, err := f.WriteAt(buf, i*(size/pieces)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// change makes the disk another one, so that no round finds the bytes of the
// last.
func change(path string, n int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(fmt.Appendf(nil, "round %d", n), 0); err != nil {
		return err
	}
	return f.Sync()
}

// timed runs a program.
func (b *bench) timed(name string, args ...string) (time.Duration, []byte, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(b.dir, "state"))
	cmd.Stderr = os.Stderr
	begun := time.Now()
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %v: %w", name, args, err)
	}
	return time.Since(begun), out, err
}

func fsync(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begun := time.Now()
	err = f.Sync()
	return time.Since(begun), err
}

// transfers measures push and pull against a copy of the same file. The copy
// is durable when the push is: a push ends when its snapshot is sealed.
func (b *bench) transfers() error {
	disk := filepath.Join(b.dir, "disk.raw")
	if err := makeDisk(disk, virtual); err != nil {
		return err
	}
	var copies, durable, pushes, pulls []time.Duration
	var cpu []time.Duration
	for n := range b.rounds {
		if err := change(disk, n); err != nil {
			return err
		}
		to := filepath.Join(b.dir, "copy.raw")
		took, _, err := b.timed("cp", "--sparse=always", disk, to)
		if err != nil {
			return err
		}
		flush, err := fsync(to)
		if err != nil {
			return err
		}
		copies, durable = append(copies, took), append(durable, took+flush)
		before, err := rig.CPU(b.srv.Pid())
		if err != nil {
			return err
		}
		took, out, err := b.timed(b.bin, "ami", "push", disk, "--name", fmt.Sprintf("bench-%d", n), "--data-dir", b.srv.DataDir, "--json")
		if err != nil {
			return err
		}
		after, err := rig.CPU(b.srv.Pid())
		if err != nil {
			return err
		}
		cpu = append(cpu, after-before)
		pushes = append(pushes, took)
		var pushed struct{ AMI string }
		if err := json.Unmarshal(out, &pushed); err != nil || pushed.AMI == "" {
			return fmt.Errorf("push said %s: %v", out, err)
		}
		back := filepath.Join(b.dir, "back.raw")
		took, _, err = b.timed(b.bin, "ami", "pull", pushed.AMI, back, "--data-dir", b.srv.DataDir)
		if err != nil {
			return err
		}
		pulls = append(pulls, took)
		if _, _, err = b.timed("cmp", disk, back); err != nil {
			return err
		}
		for _, f := range []string{to, back} {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	rss, anon, err := b.srv.Resident()
	if err != nil {
		return err
	}
	cp, cps, push, pull := median(copies), median(durable), median(pushes), median(pulls)
	rate := func(d time.Duration) string { return fmt.Sprintf("%s, %.0f MB/s", ms(d), data/1e6/d.Seconds()) }
	b.table.head("A disk of 10 GiB with 1 GiB of data, half of it random; median of %d rounds, each on fresh content, source in the page cache", b.rounds)
	b.table.add("cp --sparse=always", rate(cp), "", true)
	b.table.add("the same and fsync", rate(cps), "", true)
	b.table.add("slipway ami push (checked, sealed, durable, registered)", rate(push), "", true)
	b.table.add("  against cp with fsync", times(ratio(push, cps)), fmt.Sprintf("≤ %.0f ×", pushGoal), ratio(push, cps) <= pushGoal)
	b.table.add("  against cp without", times(ratio(push, cp)), "", true)
	b.table.add("  processor time of the server", ms(median(cpu)), "", true)
	b.table.add("slipway ami pull (checked; the result compared equal)", rate(pull), "", true)
	b.table.add("  against cp with fsync", times(ratio(pull, cps)), fmt.Sprintf("≤ %.0f ×", pushGoal), ratio(pull, cps) <= pushGoal)
	b.table.add("  against cp without", times(ratio(pull, cp)), "", true)
	b.memory("resident memory of the server after pushes and pulls", rss, anon)
	return nil
}
