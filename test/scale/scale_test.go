package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"image/png"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// TestSmall is the whole measurement on a few instances: everything is measured,
// and everything that is measured can be seen.
func TestSmall(t *testing.T) {
	points, err := measure(t.Context(), options{
		bin: rig.Bin(t), dir: t.TempDir(), log: t.Output(), sizes: []int{20, 50}, perFleet: 10, perSession: 2,
		rate: 10, churn: time.Second, idle: 100 * time.Millisecond, sockets: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"20 2 10", "50 5 25"} {
		p := points[i]
		if got := fmt.Sprint(p.instances, p.fleets, p.sessions); got != want || p.sockets != 5 {
			t.Errorf("measured with %s, %d websockets; wanted %s", got, p.sockets, want)
		}
		for what, s := range map[string]spread{"ended": p.lags[0], "killed": p.lags[1], "enlarged": p.lags[2], "DescribeFleets": p.fleet, "its first page": p.list,
			"DescribeSessions": p.list2, "CreateStreamingURL": p.busy.asked, "hand-over": p.busy.handed, "first picture": p.frame} {
			if s.n == 0 || s.p50 <= 0 || s.p99 < s.p50 || s.max < s.p99 {
				t.Errorf("%s: %+v", what, s)
			}
		}
	}
	last := points[1]
	for _, want := range []string{
		`slipway_fleet_instances{state="IN_USE"} 25`, `slipway_fleet_instances{state="READY"} 25`, `slipway_sessions{state="ACTIVE"} 25`, `slipway_fleets{state="RUNNING"} 5`,
		`slipway_fleet_capacity{account="123456789012",region="us-east-1",fleet="fleet-00004",instances="desired"} 10`,
		`fleet="fleet-00004",instances="available"} 5`, `fleet="fleet-00004",instances="in-use"} 5`, `fleet="fleet-00004",instances="running"} 10`,
		"# TYPE slipway_time_to_stream_seconds histogram", fmt.Sprintf("slipway_time_to_stream_seconds_count %d\n", streamed(points)), "# TYPE slipway_fleet_lag_seconds histogram",
	} {
		if !strings.Contains(last.metrics, want) {
			t.Errorf("no %s among the server's figures", want)
		}
	}
	if t.Failed() {
		t.Log(last.metrics)
	}
	shown(t, points)
}

// streamed is how many sessions had a first connection.
func streamed(points []point) (n int) {
	seen := map[string]bool{}
	for _, p := range points {
		for _, u := range p.watched {
			if !seen[u] {
				seen[u], n = true, n+1
			}
		}
	}
	return n
}

// shown looks at the table and at the files.
func shown(t *testing.T, points []point) {
	t.Helper()
	if text := report(points); !strings.Contains(text, "The cost of an instance") || !strings.Contains(text, "lag: machine killed") {
		t.Errorf("the report is\n%s", text)
	}
	lines, err := csv.NewReader(bytes.NewReader(table(points))).ReadAll()
	if err != nil || len(lines) != 3 || len(lines[2]) != len(columns()) {
		t.Fatalf("%q, %v", lines, err)
	}
	if n, err := strconv.ParseFloat(lines[2][0], 64); err != nil || n != 50 {
		t.Errorf("the last line of the CSV begins with %q", lines[2][0])
	}
	picture, err := plotPNG(points)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() != plotWidth {
		t.Errorf("the picture: %v", err)
	}
	d, dots := xml.NewDecoder(bytes.NewReader(plotSVG(points))), 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "circle" {
			dots++
		}
	}
	want := 0
	for _, c := range charts() {
		want += len(c.lines) * len(points)
	}
	if dots != want {
		t.Errorf("%d points in the plot, wanted %d", dots, want)
	}
}
