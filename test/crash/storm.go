package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	for k := range r.o.Kills {
		if err := r.sleep(10*time.Millisecond + time.Duration(r.rng.Int64N(int64(r.o.Pause)))); err != nil {
			return err
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

// climbing lists the machines whose start is recorded: id to pid.
func (r *Rig) climbing() map[string]int {
	if !r.o.Machine {
		return nil
	}
	jobs, err := r.clients.Jobs(r.ctx, true)
	if err != nil {
		return nil // it is not answering now
	}
	up := map[string]bool{}
	for _, j := range jobs {
		up["v-"+strings.TrimPrefix(j.ID, "job-")] = j.StepName == "climb"
	}
	out := map[string]int{}
	for _, m := range r.machines() {
		if up[m.ID] && m.State == "running" {
			out[m.ID] = m.PID
		}
	}
	return out
}

func (r *Rig) machines() []adminapi.Machine {
	var out adminapi.Machines
	_, err := r.call(func() error { return r.clients.Admin(r.ctx, "GET", "/machines", nil, &out) })
	if err != nil {
		r.fail("listing machines: %v", err)
	}
	return out.Machines
}

// attached wants the machines of before to go on as the same processes.
func (r *Rig) attached(before map[string]int) {
	if len(before) == 0 {
		return
	}
	now := map[string]int{}
	for _, m := range r.machines() {
		now[m.ID] = m.PID
	}
	for id, pid := range before {
		r.kills.candidates++
		switch {
		case now[id] == pid && syscall.Kill(pid, 0) == nil:
			r.kills.attached++
		case now[id] != 0:
			r.fail("machine %s was process %d before the server's death and is process %d after it", id, pid, now[id])
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
			if r.o.Machine && rng.IntN(3) == 0 && r.killMachine(" "+guestnet.Arg+" ") {
				r.killed(&r.kills.network)
			}
			if r.o.Machine && now.After(due) && r.killMachine("qemu-system") {
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
		return !r.o.Machine || r.kills.worker > 0 && r.kills.machine > 0, nil
	})
}

// killMachine kills one process of a machine with these words in its command
// line, whoever owns it by now.
func (r *Rig) killMachine(words string) bool {
	for _, p := range rig.Processes(r.dataDir()) {
		if strings.Contains(p.Command, words) && syscall.Kill(p.Pid, syscall.SIGKILL) == nil {
			return true
		}
	}
	return false
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
