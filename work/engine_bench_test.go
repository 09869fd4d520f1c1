package work_test

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"slipway/domain"
	"slipway/work"
)

// BenchmarkJobs runs batches of 100 jobs of one empty step, planting included.
func BenchmarkJobs(b *testing.B) {
	bench := newBench(b)
	bench.start(b, work.Options{Workflows: []work.Workflow{one("w", nothing, nil)}})
	for b.Loop() {
		var ids []string
		for range 100 {
			ids = append(ids, bench.plant(b, "w", toy{}))
		}
		for _, id := range ids {
			if j := bench.wait(b, id); j.Status != domain.JobDone {
				b.Fatalf("job: %+v", j)
			}
		}
	}
}

// BenchmarkSteps runs a job of 100 empty steps: what two records cost each.
func BenchmarkSteps(b *testing.B) {
	bench := newBench(b)
	var steps []work.Step[toy]
	for i := range 100 {
		steps = append(steps, work.Step[toy]{Name: strconv.Itoa(i), Do: func(context.Context, *work.Run, *toy) error { return nil }})
	}
	bench.start(b, work.Options{Workflows: []work.Workflow{work.Define("w", 1, steps)}})
	for b.Loop() {
		id := bench.plant(b, "w", toy{})
		if j := bench.wait(b, id); j.Status != domain.JobDone {
			b.Fatal(errors.New(j.Error))
		}
	}
}
