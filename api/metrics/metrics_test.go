package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/appstream"
)

func TestScrape(t *testing.T) {
	m := New(
		Gauge{Name: "slipway_jobs", Help: "Jobs.", Label: "status", Read: func(context.Context) (map[string]float64, error) { return map[string]float64{"running": 2}, nil }},
		Gauge{Name: "slipway_rooms", Help: "Rooms.", Label: "house floor", Read: func(context.Context) (map[string]float64, error) {
			return map[string]float64{Values("a", "1"): 3, Values(`b"`, ""): 4}, nil
		}},
		Gauge{Name: "slipway_broken", Help: "Broken.", Label: "x", Kind: Counter, Read: func(context.Context) (map[string]float64, error) { return nil, errors.New("no") }},
	)
	h := NewHistogram("slipway_waits", "Waits.", time.Second, 2*time.Second)
	m.Add(h)
	for _, d := range []time.Duration{time.Second / 2, time.Second, 3 * time.Second / 2, 4 * time.Second} {
		h.Observe(d)
	}
	c := &wire.Call{Op: appstream.OpDescribeImages}
	m.After(context.Background(), c, wire.Outcome{Elapsed: time.Millisecond})
	m.After(context.Background(), c, wire.Outcome{Error: wire.Exceptionf("ThrottlingException", "x")})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, want := range []string{
		`slipway_calls_total{service="appstream",operation="DescribeImages",code=""} 1`,
		`slipway_calls_total{service="appstream",operation="DescribeImages",code="ThrottlingException"} 1`,
		`slipway_rooms{house="a",floor="1"} 3`, `slipway_rooms{house="b\"",floor=""} 4`,
		"# TYPE slipway_waits histogram\nslipway_waits_bucket{le=\"1\"} 2\nslipway_waits_bucket{le=\"2\"} 3\nslipway_waits_bucket{le=\"+Inf\"} 4\nslipway_waits_sum 7\nslipway_waits_count 4\n",
		`slipway_jobs{status="running"} 2`, `slipway_call_seconds_count{service="appstream",operation="DescribeImages"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}
