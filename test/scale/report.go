package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// column is one figure of every point.
type column struct {
	name string // of the CSV's column
	what string // for people
	show func(float64) string
	of   func(p point) float64
	// flat: growing, it would cost more the more there is; the table tells the ratio
	// of the last size to the first.
	flat bool
}

func seconds(of func(p point) time.Duration) func(point) float64 {
	return func(p point) float64 { return of(p).Seconds() }
}

func duration(v float64) string { return short(time.Duration(v * float64(time.Second))) }
func count(v float64) string    { return fmt.Sprintf("%.0f", v) }
func mib(v float64) string      { return fmt.Sprintf("%.0f MiB", v/(1<<20)) }
func kib(v float64) string      { return fmt.Sprintf("%.1f KiB", v/(1<<10)) }
func percent(v float64) string  { return fmt.Sprintf("%.1f %%", 100*v) }
func perSecond(v float64) string {
	return fmt.Sprintf("%.0f /s", v)
}

// both are the columns of one spread.
func both(name, what string, of func(p point) spread) []column {
	return []column{
		{name + "_p50_s", what + ", p50", duration, func(p point) float64 { return of(p).p50.Seconds() }, true},
		{name + "_p99_s", what + ", p99", duration, func(p point) float64 { return of(p).p99.Seconds() }, true},
	}
}

func columns() (out []column) {
	per := func(total func(p point) float64, n func(p point) int) func(point) float64 {
		return func(p point) float64 { return total(p) / float64(max(n(p), 1)) }
	}
	instances, added, opened := func(p point) int { return p.instances }, func(p point) int { return p.added }, func(p point) int { return p.opened }
	out = []column{
		{"instances", "instances", count, func(p point) float64 { return float64(p.instances) }, false},
		{"fleets", "fleets", count, func(p point) float64 { return float64(p.fleets) }, false},
		{"sessions", "sessions", count, func(p point) float64 { return float64(p.sessions) }, false},
		{"grow_s", "growing: until desired = real", duration, seconds(func(p point) time.Duration { return p.grown }), false},
		{"grow_each_s", "growing: for each instance added", duration, per(seconds(func(p point) time.Duration { return p.grown }), added), true},
		{"grow_cpu_each_s", "growing: processor, for each instance added", duration, per(seconds(func(p point) time.Duration { return p.growCPU }), added), true},
		{"sessions_per_s", "sessions opened", perSecond, func(p point) float64 { return float64(p.opened) / max(p.openTime.Seconds(), 1e-9) }, false},
		{"session_cpu_each_s", "processor for each session opened", duration, per(seconds(func(p point) time.Duration { return p.openCPU }), opened), true},
	}
	out = append(out, both("lag_session", "lag: session ended → instance replaced", func(p point) spread { return p.lags[0] })...)
	out = append(out, both("lag_kill", "lag: machine killed → instance replaced", func(p point) spread { return p.lags[1] })...)
	out = append(out, both("lag_update", "lag: UpdateFleet → instance more", func(p point) spread { return p.lags[2] })...)
	out = append(out, both("describe_fleet", "DescribeFleets of one", func(p point) spread { return p.fleet })...)
	out = append(out, both("describe_fleets", "DescribeFleets, first page", func(p point) spread { return p.list })...)
	out = append(out, both("describe_sessions", "DescribeSessions of a fleet", func(p point) spread { return p.list2 })...)
	out = append(out, both("streaming_url", "CreateStreamingURL", func(p point) spread { return p.busy.asked })...)
	out = append(out, both("hand_over", "its page: a session on an instance", func(p point) spread { return p.busy.handed })...)
	out = append(out, both("first_frame", "websocket → first picture", func(p point) spread { return p.frame })...)
	return append(out,
		column{"change_cpu", "processors while changes go on", percent, func(p point) float64 { return p.changeCPU }, true},
		column{"idle_cpu", "processors at rest", percent, func(p point) float64 { return p.idleCPU }, false},
		column{"idle_cpu_1000", "processors at rest, for 1,000 instances", func(v float64) string { return fmt.Sprintf("%.3f %%", 100*v) },
			func(p point) float64 { return 1000 * p.idleCPU / float64(p.instances) }, true},
		column{"resident_bytes", "resident memory", mib, func(p point) float64 { return float64(p.rest.resident) }, false},
		column{"resident_each_bytes", "resident memory for each instance", kib, per(func(p point) float64 { return float64(p.rest.resident - p.empty.resident) }, instances), true},
		column{"database_bytes", "database", mib, func(p point) float64 { return float64(p.rest.database) }, false},
		column{"database_each_bytes", "database for each instance", kib, per(func(p point) float64 { return float64(p.rest.database - p.empty.database) }, instances), true},
		column{"scrape_s", "/_slipway/metrics", duration, seconds(func(p point) time.Duration { return p.scrape }), false},
	)
}

// report is the table for people: a column for each size.
func report(points []point) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 3, ' ', 0)
	first, last := points[0], points[len(points)-1]
	for _, c := range columns() {
		fmt.Fprint(w, c.what)
		for _, p := range points {
			fmt.Fprintf(w, "\t%s", c.show(c.of(p)))
		}
		if few := c.of(first); c.flat && few > 0 && len(points) > 1 {
			fmt.Fprintf(w, "\t%.2f × %s", c.of(last)/few, word(c.of(last)/few))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	if len(points) > 1 {
		fmt.Fprintf(&b, "\nThe last column compares %d instances with %d: flat is from 1/%g to %g times.\n%s\n", last.instances, first.instances, flatMost, flatMost, verdict(first, last))
	}
	fmt.Fprintf(&b, "Sessions are rows with an instance each; %d of them were looked at over websockets at the same time.\n", last.sockets)
	return b.String()
}

// flatMost is up to which ratio a cost counts as flat: beyond, it grows.
const flatMost = 1.5

func word(ratio float64) string {
	switch {
	case ratio > flatMost:
		return "grows"
	case ratio < 1/flatMost:
		return "falls"
	}
	return "flat"
}

// verdict tells in a sentence whether an instance costs the same among many.
func verdict(first, last point) string {
	var grows, others []string
	for _, c := range columns() {
		if !slices.Contains([]string{"grow_cpu_each_s", "session_cpu_each_s", "resident_each_bytes", "database_each_bytes", "idle_cpu_1000"}, c.name) || c.of(first) <= 0 {
			continue
		}
		ratio := c.of(last) / c.of(first)
		text := fmt.Sprintf("%s %.2f × (%s)", c.what, ratio, word(ratio))
		if ratio > flatMost {
			grows = append(grows, text)
		} else {
			others = append(others, text)
		}
	}
	if len(grows) == 0 {
		return "The cost of an instance does not grow with their number: " + strings.Join(others, "; ") + "."
	}
	return "The cost of an instance GROWS with their number: " + strings.Join(grows, "; ") + ". Not so: " + strings.Join(others, "; ") + "."
}

// table is the same as CSV: a line for each size.
func table(points []point) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	var head []string
	for _, c := range columns() {
		head = append(head, c.name)
	}
	_ = w.Write(head) // into memory
	for _, p := range points {
		var line []string
		for _, c := range columns() {
			line = append(line, strings.TrimSpace(fmt.Sprintf("%.9g", c.of(p))))
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.Bytes()
}
