package main

import (
	"context"
	"log/slog"
	"time"

	"slipway/api/metrics"
	"slipway/domain"
	"slipway/service"
	"slipway/store"
	"slipway/work"
)

// keepers look after what lasts: image builders and fleets.
type keepers struct {
	builders *work.Watcher
	fleets   *work.FleetKeeper
}

func startKeepers(ctx context.Context, w *work.World, t timings, log *slog.Logger) keepers {
	k := keepers{&work.Watcher{World: w, Log: log}, &work.FleetKeeper{World: w, Log: log, Lagged: t.lag.Observe}}
	k.builders.Start(ctx)
	k.fleets.Start(ctx)
	return k
}

func (k keepers) stop() {
	k.fleets.Stop()
	k.builders.Stop()
}

// timings are the times that are measured where they pass.
type timings struct{ lag, stream *metrics.Histogram }

func newTimings() timings {
	const ms, s, m = time.Millisecond, time.Second, time.Minute
	return timings{
		lag: metrics.NewHistogram("slipway_fleet_lag_seconds", "Time from the commit of a change of a fleet, of one of its instances or of a session until the fleet had been looked at and what it takes was begun, in seconds.",
			5*ms, 10*ms, 25*ms, 50*ms, 100*ms, 250*ms, s, 5*s, 30*s),
		stream: metrics.NewHistogram("slipway_time_to_stream_seconds", "Time from the opening of a streaming address, which begins a session, until its user was first sent something of a picture, in seconds. It includes the start of an instance that was not running. Later connections of the session do not count.",
			100*ms, 250*ms, 500*ms, s, 2500*ms, 5*s, 10*s, 30*s, m, 2*m, 5*m),
	}
}

// fleetGauges are the figures about fleets: counted by an index at each scrape.
func fleetGauges(st store.Store, svc *service.Service, k keepers) []metrics.Gauge {
	by := func(kind domain.Kind) func(context.Context) (map[string]float64, error) {
		return func(ctx context.Context) (map[string]float64, error) {
			out := map[string]float64{}
			err := st.View(ctx, func(tx store.Tx) error {
				by, err := tx.States(store.Query{Kind: kind})
				for _, s := range domain.Machines[kind].States {
					out[string(s)] = float64(by[s])
				}
				return err
			})
			return out, err
		}
	}
	capacity := func(ctx context.Context) (map[string]float64, error) {
		out := map[string]float64{}
		all, err := svc.AllFleets(ctx)
		for _, f := range all {
			for what, n := range map[string]int{"desired": f.Capacity.Desired, "running": f.Capacity.Running, "in-use": f.Capacity.InUse, "available": f.Capacity.Available} {
				out[metrics.Values(f.Key.Account, f.Key.Region, f.Key.Name, what)] = float64(n)
			}
		}
		return out, err
	}
	kept := func(context.Context) (map[string]float64, error) {
		f := k.fleets.Figures()
		return map[string]float64{"looked-at": float64(f.Looks), "booted": float64(f.Booted), "failed": float64(f.Failed), "removed": float64(f.Replaced)}, nil
	}
	return []metrics.Gauge{
		{Name: "slipway_fleet_capacity", Help: "Instances of each fleet, as in its ComputeCapacityStatus.", Label: "account region fleet instances", Read: capacity},
		{Name: "slipway_fleet_keeping_total", Help: "What keeping fleets has done since the start: fleets looked at, instances booted, failed, removed.", Label: "what", Kind: metrics.Counter, Read: kept},
		{Name: "slipway_fleets", Help: "Fleets, by state.", Label: "state", Read: by(domain.KindFleet)},
		{Name: "slipway_fleet_instances", Help: "Instances of fleets, by state.", Label: "state", Read: by(domain.KindFleetInstance)},
		{Name: "slipway_sessions", Help: "Users' sessions, by state; ended ones are kept for a while.", Label: "state", Read: by(domain.KindSession)},
	}
}
