package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
)

func psCommand() *command {
	return &command{name: "ps", summary: "List the virtual machines", setup: asks(get("/machines"), printMachines)}
}

func printMachines(io streams, m *adminapi.Machines) error {
	if len(m.Machines) == 0 {
		fmt.Fprintln(io.err, "No machine runs.")
		return nil
	}
	slices.SortFunc(m.Machines, func(a, b adminapi.Machine) int { return cmp.Compare(a.ID, b.ID) })
	return table(io.out, "ID STATE PID UP MEMORY CPUS LABELS", machineRows(m.Machines, time.Now()))
}

func machineRows(ms []adminapi.Machine, now time.Time) [][]string {
	var rows [][]string
	for _, m := range ms {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(m.Labels)) {
			labels = append(labels, k+"="+m.Labels[k])
		}
		rows = append(rows, []string{m.ID, m.State, fmt.Sprint(m.PID), age(now, m.Started),
			fmt.Sprintf("%d MiB", m.MemoryMB), fmt.Sprint(m.CPUs), orDash(strings.Join(labels, ","))})
	}
	return rows
}
