package main

import (
	"fmt"
	"math"
	"slices"
)

// What the plot shows: small charts side by side, all over the number of
// instances.

type series struct {
	name string
	of   func(p point) float64
}

type chart struct {
	title, unit string
	log         bool // else from zero, so that flat looks flat
	lines       []series
}

func charts() []chart {
	of := func(column string, factor float64) func(point) float64 {
		for _, c := range columns() {
			if c.name == column {
				return func(p point) float64 { return factor * c.of(p) }
			}
		}
		panic("no column " + column)
	}
	both := func(name, column string) []series {
		return []series{{name, of(column+"_p50_s", 1000)}, {name + " (p99)", of(column+"_p99_s", 1000)}}
	}
	return []chart{
		{"From a change to the fleet as it should be", "ms", true, slices.Concat(both("session ended", "lag_session"), both("machine killed", "lag_kill"), both("UpdateFleet", "lag_update"))},
		{"Requests while changes go on", "ms", true, slices.Concat(both("DescribeFleets", "describe_fleet"), both("DescribeSessions", "describe_sessions"), both("CreateStreamingURL", "streaming_url"), both("hand-over", "hand_over"))},
		{"Processor for one more", "ms", false, []series{{"instance", of("grow_cpu_each_s", 1000)}, {"session", of("session_cpu_each_s", 1000)}}},
		{"Resident memory", "MiB", false, []series{{"server", of("resident_bytes", 1.0/(1<<20))}}},
		{"For each instance", "KiB", false, []series{{"resident memory", of("resident_each_bytes", 1.0/(1<<10))}, {"database", of("database_each_bytes", 1.0/(1<<10))}}},
		{"Processors (2 are 200)", "%", false, []series{{"while changes go on", of("change_cpu", 100)}, {"at rest", of("idle_cpu", 100)}}},
	}
}

// canvas is what is drawn on; x grows to the right, y downwards, in pixels.
type canvas interface {
	line(x1, y1, x2, y2, width float64, colour string)
	dot(x, y, radius float64, colour string)
	// text stands on y; align is -1 for text that begins at x, 1 for one that ends
	// there, 0 for one in its middle.
	text(x, y float64, align int, colour, s string)
}

const (
	cellWidth, cellHeight = 430, 330
	across                = 3
	head                  = 30
	plotWidth             = across * cellWidth
)

func plotHeight() int { return head + (len(charts())+across-1)/across*cellHeight }

var colours = []string{"#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad"}

func drawPlot(c canvas, points []point) {
	last := points[len(points)-1]
	c.text(plotWidth/2, 20, 0, "#222222", fmt.Sprintf("Slipway with fake machines, up to %d fleets, %d instances and %d sessions; dashed: p99", last.fleets, last.instances, last.sessions))
	for i, ch := range charts() {
		ch.draw(c, points, float64(i%across*cellWidth), float64(head+i/across*cellHeight))
	}
}

// axis maps values to a length.
type axis struct {
	lo, hi float64
	log    bool
}

func (a axis) at(v float64) float64 {
	if a.log {
		return (math.Log(max(v, a.lo)) - math.Log(a.lo)) / (math.Log(a.hi) - math.Log(a.lo))
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// axisOf spans values; a logarithmic one spans whole powers of ten.
func axisOf(values []float64, log bool) axis {
	top := slices.Max(values)
	if !log {
		step := math.Pow(10, math.Floor(math.Log10(max(top, 1e-9))))
		return axis{0, math.Ceil(1.1*top/step) * step, false}
	}
	low := math.Inf(1)
	for _, v := range values {
		if v > 0 {
			low = min(low, v)
		}
	}
	low = min(low, top)
	a := axis{math.Pow(10, math.Floor(math.Log10(max(low, 1e-3)))), math.Pow(10, math.Ceil(math.Log10(max(top, 2e-3)))), true}
	if a.hi <= a.lo {
		a.hi = 10 * a.lo
	}
	return a
}

func (a axis) ticks() (out []float64) {
	if a.log {
		for v := a.lo; v <= a.hi*1.001; v *= 10 {
			out = append(out, v)
		}
		return out
	}
	for i := range 5 {
		out = append(out, a.lo+(a.hi-a.lo)*float64(i)/4)
	}
	return out
}

func (ch chart) draw(c canvas, points []point, left, top float64) {
	const ink, faint = "#222222", "#dddddd"
	var values, sizes []float64
	for _, p := range points {
		sizes = append(sizes, float64(p.instances))
		for _, l := range ch.lines {
			values = append(values, l.of(p))
		}
	}
	xs, ys := axis{sizes[0], max(sizes[len(sizes)-1], 1.01*sizes[0]), true}, axisOf(values, ch.log)
	x0, y0, w, h := left+60, top+25, float64(cellWidth-85), float64(cellHeight-130)
	x := func(n int) float64 { return x0 + w*xs.at(float64(n)) }
	y := func(v float64) float64 { return y0 + h*(1-ys.at(v)) }
	c.text(x0, top+14, -1, ink, ch.title+", "+ch.unit)
	for _, v := range ys.ticks() {
		c.line(x0, y(v), x0+w, y(v), 1, faint)
		c.text(x0-6, y(v)+4, 1, ink, fmt.Sprintf("%.4g", v))
	}
	for _, p := range points {
		c.line(x(p.instances), y0, x(p.instances), y0+h, 1, faint)
		c.text(x(p.instances), y0+h+15, 0, ink, fmt.Sprint(p.instances))
	}
	for i, l := range ch.lines {
		colour, dashed := colours[i%len(colours)], false
		if ch.log { // pairs of p50 and p99
			colour, dashed = colours[i/2%len(colours)], i%2 == 1
		}
		for j, p := range points {
			c.dot(x(p.instances), y(l.of(p)), 3, colour)
			if j > 0 {
				stroke(c, x(points[j-1].instances), y(l.of(points[j-1])), x(p.instances), y(l.of(p)), colour, dashed)
			}
		}
		if !dashed {
			n := i
			if ch.log {
				n /= 2
			}
			lx, ly := x0+float64(n%2)*w/2, y0+h+35+float64(n/2)*18
			c.line(lx, ly-4, lx+16, ly-4, 2, colour)
			c.text(lx+21, ly, -1, ink, l.name)
		}
	}
}

func stroke(c canvas, x1, y1, x2, y2 float64, colour string, dashed bool) {
	if !dashed {
		c.line(x1, y1, x2, y2, 2, colour)
		return
	}
	const piece = 5.0
	n := max(int(math.Hypot(x2-x1, y2-y1)/piece), 1)
	for i := 0; i < n; i += 2 {
		a, b := float64(i)/float64(n), min(float64(i+1)/float64(n), 1)
		c.line(x1+(x2-x1)*a, y1+(y2-y1)*a, x1+(x2-x1)*b, y1+(y2-y1)*b, 1.5, colour)
	}
}
