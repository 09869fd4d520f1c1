package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"strconv"

	"slipway/api/admin/adminapi"
)

func quotaCommand() *command {
	return &command{
		name:    "quota",
		summary: "List and change what an account may have in a Region",
		subs:    []*command{quotaLs(), quotaSet()},
	}
}

// quotaScope declares whose quotas are meant; "" is the caller's own.
func quotaScope(fs *flag.FlagSet) (account, region *string) {
	account = fs.String("account", "", "of this account `id` (default the caller's)")
	region = fs.String("region", "", "in this `region` (default the caller's)")
	return account, region
}

func quotaLs() *command {
	return &command{
		name: "ls", summary: "List quotas",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			account, region := quotaScope(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var l adminapi.Quotas
				q := url.Values{"account": {*account}, "region": {*region}}
				if err := c.call(ctx, "GET", "/quotas?"+q.Encode(), nil, &l); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, l)
				}
				fmt.Fprintf(io.err, "Account %s, %s\n", l.Account, l.Region)
				var rows [][]string
				for _, q := range l.Quotas {
					rows = append(rows, []string{q.Code, strconv.Itoa(q.Value), strconv.Itoa(q.Default), orDash(q.AWSCode), q.Name})
				}
				return table(io.out, "CODE VALUE DEFAULT AWS-CODE WHAT", rows)
			}
		},
	}
}

func quotaSet() *command {
	return &command{
		name: "set", args: "CODE NUMBER|default",
		summary: "Change a quota",
		long:    "What exceeds a lowered quota stays; nothing more can be made. Only the account that\nruns the server may change quotas.",
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			account, region := quotaScope(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "CODE", "NUMBER|default"); err != nil {
					return err
				}
				in := adminapi.SetQuotaRequest{Code: args[0], Account: *account, Region: *region}
				if args[1] != "default" {
					n, err := strconv.Atoi(args[1])
					if err != nil || n < 0 {
						return &usageError{msg: fmt.Sprintf("the quota is %q: it must be a number, 0 or more, or default", args[1])}
					}
					in.Value = &n
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var q adminapi.Quota
				if err := c.call(ctx, "POST", "/quotas", in, &q); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, q)
				}
				fmt.Fprintf(io.out, "%s: %d (AWS's default: %d)\n", q.Name, q.Value, q.Default)
				return nil
			}
		},
	}
}
