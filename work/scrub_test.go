package work_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/store"
	"slipway/work"
	"slipway/work/worktest"
)

// run runs the job of a subject to its end.
func (r *rig) run(subject domain.Key) {
	r.t.Helper()
	w := &worktest.World{Store: func() store.Store { return r.store }, Workflows: r.flows, JobID: r.jobOf(subject)}
	if j := worktest.Run(r.t, w, nil, nil); j.Status != domain.JobDone {
		r.t.Fatalf("%s: %s %s", subject, j.Status, j.Error)
	}
}

func (r *rig) scrub(rate int64) *work.Scrub {
	s := &work.Scrub{World: r.world, Log: slog.New(slog.DiscardHandler), Rate: rate, Look: 10 * time.Millisecond}
	s.Start(context.Background())
	r.t.Cleanup(s.Stop)
	return s
}

// until asks until the answer is yes.
func until(t testing.TB, what string, yes func() bool) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(2*time.Minute)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain until " + what)
		}
	}
}

// Every disk is verified by itself, damage is told, and a disk that was
// verified lately is left alone.
func TestScrubFindsDamage(t *testing.T) {
	r := newRig(t)
	r.sealed()
	s := r.scrub(1 << 40)
	until(t, "the disk is verified", func() bool { return s.Figures().Disks == 1 })
	s.Stop()
	c, err := r.world.Disks.Checked(r.digest)
	if err != nil || c.Damage != "" || c.At.IsZero() {
		t.Errorf("%+v %v", c, err)
	}
	r.damage()
	s = r.scrub(1 << 40)
	if err := s.Verify(r.digest); err != nil { // the scrub itself would wait for a week
		t.Fatal(err)
	}
	until(t, "the damage is found", func() bool { return s.Figures().Damaged == 1 })
	s.Stop()
	if c, err := r.world.Disks.Checked(r.digest); err != nil || c.Damage == "" {
		t.Errorf("%+v %v", c, err)
	}
	if e := r.events(domain.DiskDamaged); len(e) != 1 {
		t.Errorf("events: %+v", e)
	}
	if n := s.Figures().Disks; n != 1 {
		t.Errorf("%d verifications of one disk", n)
	}
}

// A scrub that is stopped in the middle of a disk goes on there after a
// restart, and keeps to its rate.
func TestScrubGoesOn(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	const blocks = 300 // 150 MiB, and the place is noted each 64
	must(t, r.world.Disks.CreateUpload(ctx, "u", 2048))
	block := make([]byte, disk.BlockSize)
	for i := range int64(blocks) {
		copy(block, fmt.Sprint(i, " is not empty"))
		must(t, r.world.Disks.PutBlock(ctx, "u", i, block, sha256.Sum256(block)))
	}
	d, err := r.world.Disks.Seal(ctx, "u", nil)
	must(t, err)
	r.digest = d.Digest
	s := r.scrub(32 << 20) // the rest takes longer than it takes us to look
	until(t, "the scrub noted where it is", func() bool { return r.world.Disks.Begun(r.digest) })
	s.Stop()
	if c, _ := r.world.Disks.Checked(r.digest); !c.At.IsZero() {
		t.Fatal("the whole disk was read before it was stopped")
	}
	r.restart(t)
	began := time.Now()
	s = r.scrub(400 << 20)
	until(t, "the disk is verified", func() bool { return s.Figures().Disks == 1 })
	took, read := time.Since(began), s.Figures().Bytes
	if read >= d.DataBytes || read == 0 {
		t.Errorf("%d of %d bytes were read after the restart", read, d.DataBytes)
	}
	if least := time.Duration(float64(read)/(400<<20)*float64(time.Second)) * 8 / 10; took < least {
		t.Errorf("%d bytes in %s: faster than the rate, at least %s", read, took, least)
	}
	if r.world.Disks.Begun(r.digest) {
		t.Error("the place is still noted")
	}
}
