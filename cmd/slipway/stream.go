package main

import (
	"context"
	"log/slog"
	"time"

	"slipway/api/metrics"
	"slipway/compute"
	"slipway/domain"
	"slipway/service"
	"slipway/stream"
	"slipway/wire"
)

// streamPath is where screens are looked at.
const streamPath = wire.OwnPrefix + "stream/"

func newScreens(svc *service.Service, d compute.Driver, log *slog.Logger) *stream.Server {
	return stream.New(stream.Config{Tickets: svc, Assistant: svc, Sessions: svc, NewLink: domain.RandomIDs.UUID, Displays: d, Now: time.Now, Log: log, Path: streamPath})
}

// screenFigures are what is counted about screens.
func screenFigures(s *stream.Server) []metrics.Gauge {
	family := func(name, help, label, kind string, read func() map[string]float64) metrics.Gauge {
		return metrics.Gauge{Name: "slipway_stream_" + name, Help: help, Label: label, Kind: kind,
			Read: func(context.Context) (map[string]float64, error) { return read(), nil }}
	}
	return []metrics.Gauge{
		family("viewers", "Connections to screens.", "state", "", s.Viewers),
		family("page_bytes", "Bytes sent over connections there are, by the public part of the page's token.", "page", "", s.BytesByPage),
		family("bytes_total", "Bytes carried from viewers (in) and to them (out).", "direction", metrics.Counter, s.Bytes),
		family("inputs_total", "Key and pointer events.", "kind", metrics.Counter, s.Inputs),
		family("endings_total", "Connections that ended, by reason.", "why", metrics.Counter, s.Endings),
		family("refusals_total", "Websockets that were refused, by reason.", "why", metrics.Counter, s.Refusals),
	}
}
