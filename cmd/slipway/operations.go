package main

import (
	"context"
	"flag"
	"strings"

	"slipway/api"
)

// operation is what --json prints of each.
type operation struct {
	Service   string   `json:"service"`
	Operation string   `json:"operation"`
	Built     bool     `json:"built"`
	Protocols []string `json:"protocols"`
	Errors    []string `json:"errors"` // that AWS's model lists
}

func operationsCommand() *command {
	return &command{
		name:    "operations",
		summary: "List the AWS operations that this version answers",
		long:    "What is not built answers NotImplementedException, HTTP 501. No server is asked.",
		setup: func(fs *flag.FlagSet) action {
			asJSON := jsonFlag(fs)
			missing := fs.Bool("missing", false, "also list what is not built")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				list := []operation{}
				var rows [][]string
				for _, op := range api.Operations() {
					if !op.Built && !*missing {
						continue
					}
					o := operation{Service: op.Service.Name, Operation: op.Name, Built: op.Built, Errors: append([]string{}, op.Errors...)}
					for _, p := range op.Service.Protocols {
						o.Protocols = append(o.Protocols, string(p))
					}
					list = append(list, o)
					rows = append(rows, []string{o.Service, o.Operation, map[bool]string{true: "built", false: "-"}[o.Built], strings.Join(o.Protocols, ",")})
				}
				if *asJSON {
					return printJSON(io.out, list)
				}
				return table(io.out, "SERVICE OPERATION STATUS PROTOCOLS", rows)
			}
		},
	}
}
