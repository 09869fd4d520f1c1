package main

import (
	"cmp"
	"fmt"
	"time"

	"slipway/api/admin/adminapi"
)

func builderCommand() *command {
	return &command{
		name:    "builder",
		summary: "List and show image builders with their machines",
		subs:    []*command{builderLs(), builderShow()},
	}
}

func builderLs() *command {
	return &command{name: "ls", summary: "List image builders", setup: asks(get("/image-builders"), listBuilders)}
}

func listBuilders(io streams, l *adminapi.Builders) error {
	if len(l.Builders) == 0 {
		fmt.Fprintln(io.err, "There are no image builders.")
		return nil
	}
	var rows [][]string
	for _, b := range l.Builders {
		rows = append(rows, []string{b.Name, b.State, b.InstanceType, fmt.Sprintf("%d MiB", b.MemoryMB), b.Machine, age(time.Now(), b.Created)})
	}
	return table(io.out, "NAME STATE TYPE MEMORY MACHINE AGE", rows)
}

func builderShow() *command {
	return &command{
		name: "show", args: "NAME",
		summary: "Show an image builder: state, what its machine has, how its guest booted, the work on it",
		setup:   asks(getNamed("/image-builders/", "slipway builder ls"), printBuilder, "NAME"),
	}
}

func printBuilder(io streams, b *adminapi.Builder) error {
	w := io.out
	fmt.Fprintf(w, "%s  %s\n%s\n", b.Name, b.State, b.ARN)
	if b.Reason != nil {
		fmt.Fprintf(w, "%s: %s\n", b.Reason.Code, b.Reason.Message)
	}
	fmt.Fprintf(w, "From %s; platform %s\n", b.Image, orDash(b.Platform))
	fmt.Fprintf(w, "%s: %d vCPU, %d MiB, root volume of %d GiB; machine %s at %s\n", b.InstanceType, b.CPUs, b.MemoryMB, b.VolumeGiB, b.Machine, cmp.Or(b.Address, "no address"))
	printEvidence(io, &b.Evidence)
	if b.Job != nil {
		fmt.Fprintln(w, "\nWork:")
		printJob(io, b.Job)
	}
	return nil
}
