// Command slipway is the server and the operator's command line in one binary.
//
// What lives here: flags, help, wiring and printing. What may not: a decision
// about images, machines or AWS semantics; those belong to the rooms that
// serve.go wires together. The client commands reach a server over the network
// only, so they work from any machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"slipway/compute/guestnet"
	"slipway/disk/inspect"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == inspect.Arg {
		// This is the worker that reads foreign file systems: see disk/inspect.
		os.Exit(inspect.WorkerMain(os.Args[2:], os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == guestnet.Arg {
		// This is the network of one guest: see compute/guestnet.
		os.Exit(guestnet.Main(os.Args[2:], os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(report(err, os.Stderr))
}
