package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"slipway/api/audit"
	"slipway/api/metrics"
	"slipway/compute"
	"slipway/domain"
	"slipway/service"
	"slipway/stream"
	"slipway/wire"
	"slipway/work"
)

// streamPath is where screens are looked at.
const streamPath = wire.OwnPrefix + "stream/"

func newScreens(svc *service.Service, d compute.Driver, guests *work.Seats, pictures http.Handler, trail *audit.Log, t timings, log *slog.Logger) *stream.Server {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	return stream.New(stream.Config{Tickets: svc, Assistant: svc, Sessions: svc, Guests: guests, Pictures: pictures, Resize: guests.Resize, Did: func(d stream.Deed) { trail.Add(recordOf(d)) }, Secret: secret,
		NewLink: domain.RandomIDs.UUID, Displays: d, Streamed: t.stream.Observe, Now: time.Now, Log: log, Path: streamPath})
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
		family("deeds_total", "Applications that users started and files that they moved, by what and how it went.", "what", metrics.Counter, s.Deeds),
		family("file_bytes_total", "Bytes of files that users brought into guests (in) and out of them (out).", "direction", metrics.Counter, s.FileBytes),
		family("endings_total", "Connections that ended, by reason.", "why", metrics.Counter, s.Endings),
		family("refusals_total", "Websockets that were refused, by reason.", "why", metrics.Counter, s.Refusals),
	}
}
