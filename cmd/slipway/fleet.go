package main

import (
	"context"
	"log/slog"

	"slipway/api/metrics"
	"slipway/domain"
	"slipway/store"
	"slipway/work"
)

// watchMachines begins to look after what lasts, image builders and fleets, and
// returns what ends that.
func watchMachines(ctx context.Context, w *work.World, log *slog.Logger) (stop func()) {
	builders, fleets := &work.Watcher{World: w, Log: log}, &work.FleetKeeper{World: w, Log: log}
	builders.Start(ctx)
	fleets.Start(ctx)
	return func() {
		fleets.Stop()
		builders.Stop()
	}
}

// fleetGauges are the figures about fleets: counted by an index at each scrape.
func fleetGauges(st store.Store) []metrics.Gauge {
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
	return []metrics.Gauge{
		{Name: "slipway_fleets", Help: "Fleets, by state.", Label: "state", Read: by(domain.KindFleet)},
		{Name: "slipway_fleet_instances", Help: "Instances of fleets, by state.", Label: "state", Read: by(domain.KindFleetInstance)},
		{Name: "slipway_sessions", Help: "Users' sessions, by state; ended ones are kept for a while.", Label: "state", Read: by(domain.KindSession)},
	}
}
