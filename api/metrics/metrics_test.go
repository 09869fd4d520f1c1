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
		Gauge{Name: "slipway_broken", Help: "Broken.", Label: "x", Kind: Counter, Read: func(context.Context) (map[string]float64, error) { return nil, errors.New("no") }},
	)
	c := &wire.Call{Op: appstream.OpDescribeImages}
	m.After(context.Background(), c, wire.Outcome{Elapsed: time.Millisecond})
	m.After(context.Background(), c, wire.Outcome{Error: wire.Exceptionf("ThrottlingException", "x")})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, want := range []string{
		`slipway_calls_total{service="appstream",operation="DescribeImages",code=""} 1`,
		`slipway_calls_total{service="appstream",operation="DescribeImages",code="ThrottlingException"} 1`,
		`slipway_jobs{status="running"} 2`, `slipway_call_seconds_count{service="appstream",operation="DescribeImages"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}
