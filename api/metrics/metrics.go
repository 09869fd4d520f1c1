// Package metrics counts calls and shows what runs, in Prometheus form.
//
// It only counts. What is counted elsewhere (jobs, machines, disks) is asked
// for when somebody looks.
package metrics

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"slipway/wire"
)

// Gauge is a family of figures that are asked for at each scrape, by label
// value.
type Gauge struct {
	Name, Help, Label string
	Read              func(ctx context.Context) (map[string]float64, error)
}

// Metrics is one server's figures.
type Metrics struct {
	set    *metrics.Set
	gauges []Gauge
}

// New makes the figures; gauges are read when somebody scrapes.
func New(gauges ...Gauge) *Metrics { return &Metrics{set: metrics.NewSet(), gauges: gauges} }

// buckets are the bounds of call times, in seconds.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}

// After is wire.Config.After.
func (m *Metrics) After(_ context.Context, c *wire.Call, o wire.Outcome) {
	code := ""
	if o.Error != nil {
		code = o.Error.Code
	}
	who := "service=" + strconv.Quote(c.Op.Service.Name) + ",operation=" + strconv.Quote(c.Op.Name)
	m.set.GetOrCreateCounter("slipway_calls_total{" + who + ",code=" + strconv.Quote(code) + "}").Inc()
	m.set.GetOrCreatePrometheusHistogramExt("slipway_call_seconds{"+who+"}", buckets).Update(o.Elapsed.Seconds())
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.set.WritePrometheus(w)
		for _, g := range m.gauges {
			g.write(ctx, w)
		}
		metrics.WriteProcessMetrics(w)
	})
}

// write leaves a family out that cannot be read: a scrape shows what there is.
func (g Gauge) write(ctx context.Context, w io.Writer) {
	values, err := g.Read(ctx)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n", g.Name, g.Help, g.Name)
	for _, label := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(w, "%s{%s=%q} %g\n", g.Name, g.Label, label, values[label])
	}
}
