// Package metrics counts calls and shows what runs, in Prometheus' text form.
//
// It only counts. What is counted elsewhere (jobs, machines, disks) is asked
// for when somebody looks. The form is written by hand: of the two libraries
// for it one keeps every method of the EC2 client in the binary (it looks
// methods up by name), the other prints a line at the start of every command.
package metrics

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slipway/wire"
)

// Gauge is a family of figures that are asked for at each scrape, by label
// value. Label may name several labels with blanks between them; the key of a
// figure is then made by Values.
type Gauge struct {
	Name, Help, Label string
	Read              func(ctx context.Context) (map[string]float64, error)
	Kind              string // "" for a gauge, or Counter
}

// Values is the key of a figure with several labels, in their order.
func Values(v ...string) string { return strings.Join(v, "\x00") }

// Counter is the Kind of what only grows.
const Counter = "counter"

// Metrics is one server's figures.
type Metrics struct {
	calls      sync.Map // outcome → *atomic.Int64
	times      sync.Map // *wire.Op → *histogram
	gauges     []Gauge
	histograms []*Histogram
}

type outcome struct {
	op   *wire.Op
	code string
}

// buckets are the upper bounds of call times.
var buckets = []time.Duration{500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second}

type histogram struct {
	bounds []time.Duration
	counts []atomic.Int64 // one more: those beyond
	sum    atomic.Int64   // nanoseconds
}

func newHistogram(bounds []time.Duration) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Histogram is a family of times, in seconds, by how long they were.
type Histogram struct {
	name, help string
	h          *histogram
}

// NewHistogram counts times up to each of the bounds, which grow, and beyond.
func NewHistogram(name, help string, bounds ...time.Duration) *Histogram {
	return &Histogram{name, help, newHistogram(bounds)}
}

// Observe counts one time.
func (h *Histogram) Observe(d time.Duration) { h.h.add(d) }

// New makes the figures; gauges are read when somebody scrapes.
func New(gauges ...Gauge) *Metrics { return &Metrics{gauges: gauges} }

// Add shows histograms too; before the first scrape.
func (m *Metrics) Add(h ...*Histogram) { m.histograms = append(m.histograms, h...) }

// After is wire.Config.After.
func (m *Metrics) After(_ context.Context, c *wire.Call, o wire.Outcome) {
	k := outcome{op: c.Op}
	if o.Error != nil {
		k.code = o.Error.Code
	}
	n, ok := m.calls.Load(k)
	if !ok {
		n, _ = m.calls.LoadOrStore(k, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
	h, ok := m.times.Load(c.Op)
	if !ok {
		h, _ = m.times.LoadOrStore(c.Op, newHistogram(buckets))
	}
	h.(*histogram).add(o.Elapsed)
}

func (h *histogram) add(d time.Duration) {
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// write writes the lines of one histogram; who are its labels, "" for none.
func (h *histogram) write(w io.Writer, name, who string) {
	var n int64
	sep := ""
	if who != "" {
		sep = ","
	}
	for i := range h.counts {
		n += h.counts[i].Load()
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i].Seconds(), 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{%s%sle=%q} %d\n", name, who, sep, bound, n)
	}
	if who != "" {
		who = "{" + who + "}"
	}
	fmt.Fprintf(w, "%s_sum%s %g\n%s_count%s %d\n", name, who, time.Duration(h.sum.Load()).Seconds(), name, who, n)
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		b := bufio.NewWriter(w)
		m.writeCalls(b)
		m.writeTimes(b)
		for _, h := range m.histograms {
			family(b, h.name, "histogram", h.help)
			h.h.write(b, h.name, "")
		}
		for _, g := range m.gauges {
			g.write(ctx, b)
		}
		writeProcess(b)
		_ = b.Flush() // whoever scrapes has gone: nobody to tell
	})
}

func family(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (m *Metrics) writeCalls(w io.Writer) {
	family(w, "slipway_calls_total", "counter", "Calls answered, by operation and error code (empty for a success).")
	var lines []string
	m.calls.Range(func(k, n any) bool {
		o := k.(outcome)
		lines = append(lines, fmt.Sprintf("slipway_calls_total{service=%q,operation=%q,code=%q} %d\n", o.op.Service.Name, o.op.Name, o.code, n.(*atomic.Int64).Load()))
		return true
	})
	slices.Sort(lines)
	_, _ = io.WriteString(w, strings.Join(lines, ""))
}

func (m *Metrics) writeTimes(w io.Writer) {
	family(w, "slipway_call_seconds", "histogram", "Time from the first byte of a request to its answer, in seconds.")
	all := map[*wire.Op]*histogram{}
	m.times.Range(func(k, h any) bool {
		all[k.(*wire.Op)] = h.(*histogram)
		return true
	})
	ops := slices.SortedFunc(maps.Keys(all), func(a, b *wire.Op) int {
		return cmp.Or(cmp.Compare(a.Service.Name, b.Service.Name), cmp.Compare(a.Name, b.Name))
	})
	for _, op := range ops {
		all[op].write(w, "slipway_call_seconds", fmt.Sprintf("service=%q,operation=%q", op.Service.Name, op.Name))
	}
}

// write leaves a family out that cannot be read: a scrape shows what there is.
func (g Gauge) write(ctx context.Context, w io.Writer) {
	values, err := g.Read(ctx)
	if err != nil {
		return
	}
	family(w, g.Name, cmp.Or(g.Kind, "gauge"), g.Help)
	labels := strings.Fields(g.Label)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		var who []string
		for i, v := range strings.SplitN(key, "\x00", len(labels)) {
			who = append(who, fmt.Sprintf("%s=%q", labels[i], v))
		}
		fmt.Fprintf(w, "%s{%s} %g\n", g.Name, strings.Join(who, ","), values[key])
	}
}

// writeProcess tells what the process takes, under the names everybody uses.
func writeProcess(w io.Writer) {
	one := func(name, kind, help string, v float64) {
		family(w, name, kind, help)
		fmt.Fprintf(w, "%s %g\n", name, v)
	}
	one("go_goroutines", "gauge", "Goroutines that exist.", float64(runtime.NumGoroutine()))
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	one("go_memstats_heap_alloc_bytes", "gauge", "Bytes of heap objects.", float64(heap[0].Value.Uint64()))
	if raw, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident int64
		if _, err := fmt.Sscan(string(raw), &size, &resident); err == nil {
			one("process_resident_memory_bytes", "gauge", "Resident memory.", float64(resident*int64(os.Getpagesize())))
		}
	}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		one("process_open_fds", "gauge", "Open file descriptors.", float64(len(fds)))
	}
}
