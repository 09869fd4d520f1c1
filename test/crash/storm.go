package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/compute/guestnet"
	"slipway/disk/inspect"
	"slipway/test/rig"
)

// storm kills the server again and again and starts it anew.
func (r *Rig) storm() error {
	begun := time.Now()
	for k := 0; k < r.o.Kills || time.Since(begun) < r.o.For; k++ {
		if err := r.sleep(10*time.Millisecond + time.Duration(r.rng.Int64N(int64(r.o.Pause)))); err != nil {
			return err
		}
		if r.before != nil {
			r.before()
		}
		before := r.climbing()
		r.server().Kill()
		r.kills.server++
		// Some are killed before they have come up.
		for k%3 == 2 && r.rng.IntN(2) == 0 {
			if err := r.doomed(); err != nil {
				return err
			}
		}
		if err := r.start(); err != nil {
			return fmt.Errorf("start after kill %d: %w", k+1, err)
		}
		r.attached(before)
	}
	return nil
}

// doomed starts a server that is killed while it starts.
func (r *Rig) doomed() error {
	ctx, cancel := context.WithTimeout(r.ctx, 5*time.Millisecond+time.Duration(r.rng.Int64N(int64(80*time.Millisecond))))
	defer cancel()
	begun := time.Now()
	s, err := rig.Launch(ctx, rig.Options{Bin: r.o.Bin, DataDir: r.dataDir(), Listen: r.listen, Args: r.o.Args, Log: r.o.Log, Apart: true})
	switch {
	case err == nil: // it was faster
		s.Kill()
	case ctx.Err() == nil:
		return err
	}
	r.kills.server++
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts = append(r.starts, begun)
	return r.ctx.Err()
}

func (r *Rig) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// candidate is a machine that has no reason to end while the server is away.
type candidate struct {
	pid     int
	builder string // whose it is, as region/name; "" for a validation's
	hold    int    // and which time of being left alone that was
}

// climbing lists the machines that should go on: those whose validation has
// recorded their start, and those of builders that are left alone.
func (r *Rig) climbing() map[string]candidate {
	if !r.o.Machine {
		return nil
	}
	jobs, err := r.clients.Jobs(r.ctx, true)
	if err != nil {
		return nil // it is not answering now
	}
	up := map[string]candidate{}
	for _, j := range jobs {
		if j.StepName == "climb" {
			up["v-"+strings.TrimPrefix(j.ID, "job-")] = candidate{}
		}
	}
	for n := range r.regions() {
		at := region(n * perRegion)
		var all adminapi.Builders
		if r.clients.In(at).Admin(r.ctx, "GET", "/image-builders", nil, &all) != nil {
			return nil
		}
		for _, b := range all.Builders {
			if hold := r.holds(at + "/" + b.Name); hold > 0 && b.State == "RUNNING" {
				up[b.Machine] = candidate{builder: at + "/" + b.Name, hold: hold}
			}
		}
	}
	out := map[string]candidate{}
	for _, m := range r.machines() {
		if c, ok := up[m.ID]; ok && m.State == "running" {
			c.pid = m.PID
			out[m.ID] = c
		}
	}
	return out
}

// hold notes that a builder is left alone from now on, or no longer.
func (r *Rig) hold(builder string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !on {
		delete(r.held, builder)
		return
	}
	r.dwells++
	r.held[builder] = r.dwells
}

// holds tells which time of being left alone this is for a builder; 0 for none.
func (r *Rig) holds(builder string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[builder]
}

// regions is how many Regions the journeys have come to.
func (r *Rig) regions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return (r.next + perRegion - 1) / perRegion
}

func (r *Rig) machines() []adminapi.Machine {
	var out adminapi.Machines
	_, err := r.call(func() error { return r.clients.Admin(r.ctx, "GET", "/machines", nil, &out) })
	if err != nil {
		r.fail("listing machines: %v", err)
	}
	return out.Machines
}

// attached wants the machines of before to go on as the same processes, except
// those that were killed or asked to end meanwhile.
func (r *Rig) attached(before map[string]candidate) {
	if len(before) == 0 {
		return
	}
	now := map[string]int{}
	for _, m := range r.machines() {
		now[m.ID] = m.PID
	}
	for id, was := range before {
		if r.wasShot(was.pid) || was.builder != "" && r.holds(was.builder) != was.hold {
			continue
		}
		r.kills.candidates++
		switch {
		case now[id] == was.pid && syscall.Kill(was.pid, 0) == nil:
			r.kills.attached++
		case now[id] != 0:
			r.fail("machine %s was process %d before the server's death and is process %d after it", id, was.pid, now[id])
		case was.builder != "":
			r.fail("machine %s of %s ran before the server's death and is lost after it", id, was.builder)
		}
	}
}

// hunt kills workers and machines now and then.
func (r *Rig) hunt(ctx context.Context) {
	rng := rand.New(rand.NewPCG(r.o.Seed, 2))
	workers := time.NewTicker(4 * time.Millisecond)
	defer workers.Stop()
	machines := time.NewTicker(time.Second)
	defer machines.Stop()
	seen := map[int]bool{}
	due := time.Now().Add(r.o.Pause)
	for {
		select {
		case <-ctx.Done():
			return
		case <-workers.C:
			for _, pid := range children(r.server().Pid()) {
				if seen[pid] || !strings.Contains(rig.Command(pid), inspect.Arg) {
					continue
				}
				seen[pid] = true
				// The first ones for certain: real machines leave time for few.
				if (len(seen) <= 2 || rng.IntN(3) == 0) && syscall.Kill(pid, syscall.SIGKILL) == nil {
					r.killed(&r.kills.worker)
				}
			}
		case now := <-machines.C:
			// A guest does not care for the end of its network's process.
			if r.o.Machine && rng.IntN(3) == 0 && r.killMachine(rng, " "+guestnet.Arg+" ") {
				r.killed(&r.kills.network)
			}
			if r.o.Machine && rng.IntN(20) == 0 && r.killMachine(rng, "swtpm ") {
				r.killed(&r.kills.tpm)
			}
			if r.o.Machine && now.After(due) && r.killMachine(rng, "qemu-system") {
				r.killed(&r.kills.machine)
				due = now.Add(2*r.o.Pause + time.Duration(rng.Int64N(int64(2*r.o.Pause))))
			}
		}
	}
}

func (r *Rig) killed(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// hunted waits until every kind of process was killed that this run is to kill.
func (r *Rig) hunted() error {
	return rig.Poll(r.ctx, r.o.Limit, time.Second, func() (bool, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.o.Machine || r.kills.worker > 0 && r.kills.machine > 0 && r.kills.tpm > 0 && r.kills.network > 0, nil
	})
}

// killMachine kills one process of a machine with these words in its command
// line, whoever owns it by now.
func (r *Rig) killMachine(rng *rand.Rand, words string) bool {
	all := slices.DeleteFunc(rig.Processes(r.dataDir()), func(p rig.Process) bool { return !strings.Contains(p.Command, words) })
	if len(all) == 0 {
		return false
	}
	pid := all[rng.IntN(len(all))].Pid
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shot[pid] = true
	return syscall.Kill(pid, syscall.SIGKILL) == nil
}

// wasShot tells whether a process was killed by us.
func (r *Rig) wasShot(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shot[pid]
}

// children lists the processes that a process has started and still owns.
func children(pid int) (out []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		b, _ := os.ReadFile(f) // it may be gone
		for _, w := range bytes.Fields(b) {
			if n, err := strconv.Atoi(string(w)); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}
