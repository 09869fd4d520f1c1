package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
)

// version is set by the linker (see Makefile).
var version = "development"

func versionCommand() *command {
	return &command{
		name:    "version",
		summary: "Print the version",
		setup: func(fs *flag.FlagSet) action {
			asJSON := jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
				}
				_, err := fmt.Fprintf(io.out, "slipway %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			}
		},
	}
}
