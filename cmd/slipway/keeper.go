package main

import (
	"context"
	"log/slog"

	"slipway/api/admin/adminapi"
	"slipway/api/metrics"
	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/work"
)

// keeper answers the admin API about files of disks.
type keeper struct {
	world *work.World
	scrub *work.Scrub
	fsck  *work.FsckRunner
}

// startKeeper begins to scrub and returns.
func startKeeper(ctx context.Context, c ServeConfig, w *work.World, log *slog.Logger) *keeper {
	k := &keeper{w, &work.Scrub{World: w, Log: log, Rate: c.ScrubRate << 20}, &work.FsckRunner{World: w, Log: log}}
	k.scrub.Start(ctx)
	k.fsck.Start(ctx)
	return k
}

func (k *keeper) stop() {
	k.scrub.Stop()
	k.fsck.Stop()
}

// Look implements admin.Keeper.
func (k *keeper) Look(d *adminapi.Disk) error {
	dg, err := disk.ParseDigest(d.Digest)
	if err != nil {
		return err
	}
	if p, ok := k.scrub.Now(dg); ok {
		d.Verifying = &adminapi.Progress{Done: p.Done, Total: p.Total}
	}
	c, err := k.world.Disks.Checked(dg)
	d.Verified, d.Damage, d.State = c.At, c.Damage, "ok"
	switch {
	case fault.Is(err, fault.NotFound):
		d.State = "missing"
		return nil
	case err != nil || c.Damage != "":
		d.State = "damaged"
	case c.At.IsZero():
		d.State = "unverified"
	}
	d.AllocatedBytes, _ = k.world.Disks.Allocated(dg) // of a damaged disk it may not be known
	return nil
}

// Verify implements admin.Keeper.
func (k *keeper) Verify(digest string) error {
	d, err := disk.ParseDigest(digest)
	if err != nil {
		return err
	}
	return k.scrub.Verify(d)
}

// Fsck implements admin.Keeper.
func (k *keeper) Fsck(in adminapi.FsckRequest) error { return k.fsck.Begin(in.Repair, in.Quick) }

// FsckState implements admin.Keeper.
func (k *keeper) FsckState() adminapi.Fsck {
	running, p, rep, err := k.fsck.State()
	out := adminapi.Fsck{Running: running, Progress: adminapi.Progress{Done: p.Done, Total: p.Total}}
	if err != nil {
		out.Error = fault.Public(err)
	}
	if rep != nil {
		out.Report = fsckShape(rep)
	}
	return out
}

func fsckShape(r *work.FsckReport) *adminapi.FsckReport {
	out := &adminapi.FsckReport{At: r.At, Clean: r.Clean(), Repaired: r.Repaired, Disks: r.Disks, Bytes: r.Bytes, Findings: []adminapi.FsckFound{}}
	for _, f := range r.Found {
		x := adminapi.FsckFound{Code: f.Code, Severity: string(f.Severity), Subject: f.Subject, Text: f.Text, Remedy: f.Remedy, Repaired: f.Repaired}
		for _, u := range f.Users {
			x.Users = append(x.Users, subject(u))
		}
		out.Findings = append(out.Findings, x)
	}
	return out
}

func subject(k domain.Key) adminapi.Subject {
	return adminapi.Subject{Kind: string(k.Kind), Account: k.Account, Region: k.Region, Name: k.Name}
}

// gauges are the figures about disks.
func (k *keeper) gauges() []metrics.Gauge {
	return []metrics.Gauge{
		{Name: "slipway_disks", Help: "Sealed disks, by what their last verification found.", Label: "state", Read: func(context.Context) (map[string]float64, error) {
			all, err := k.world.Disks.Sealed()
			n := map[string]float64{"ok": 0, "unverified": 0, "damaged": 0}
			for _, dg := range all {
				d := adminapi.Disk{Digest: dg.String()}
				if err := k.Look(&d); err != nil {
					return n, err
				}
				n[d.State]++
			}
			return n, err
		}},
		{Name: "slipway_scrub", Help: "What verifying disks has done since the start: bytes read, disks, damaged ones.", Label: "what", Read: func(context.Context) (map[string]float64, error) {
			f := k.scrub.Figures()
			return map[string]float64{"bytes": float64(f.Bytes), "disks": float64(f.Disks), "damaged": float64(f.Damaged)}, nil
		}},
	}
}
