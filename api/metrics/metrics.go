// Package metrics counts calls and shows what runs, in Prometheus form.
//
// It only counts. What is counted elsewhere (jobs, machines, disks) is asked
// for when somebody looks.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// New makes the figures; gauges are read when somebody scrapes.
func New(gauges ...Gauge) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_calls_total", Help: "Calls answered, by operation and error code (empty for a success).",
		}, []string{"service", "operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_call_seconds", Help: "Time from the first byte of a request to its answer, in seconds.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"service", "operation"}),
	}
	m.registry.MustRegister(m.calls, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, g := range gauges {
		m.registry.MustRegister(&asked{g, prometheus.NewDesc(g.Name, g.Help, []string{g.Label}, nil)})
	}
	return m
}

// After is wire.Config.After.
func (m *Metrics) After(_ context.Context, c *wire.Call, o wire.Outcome) {
	code := ""
	if o.Error != nil {
		code = o.Error.Code
	}
	m.calls.WithLabelValues(c.Op.Service.Name, c.Op.Name, code).Inc()
	m.seconds.WithLabelValues(c.Op.Service.Name, c.Op.Name).Observe(o.Elapsed.Seconds())
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// asked reads a Gauge at each scrape.
type asked struct {
	g    Gauge
	desc *prometheus.Desc
}

func (a *asked) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

func (a *asked) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	values, err := a.g.Read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(a.desc, err)
		return
	}
	for label, v := range values {
		ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, v, label)
	}
}
