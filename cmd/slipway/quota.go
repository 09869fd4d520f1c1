package main

import (
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
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			account, region := quotaScope(fs)
			return func([]string) (request, error) {
				q := url.Values{"account": {*account}, "region": {*region}}
				return request{method: "GET", path: "/quotas?" + q.Encode()}, nil
			}
		}, listQuotas),
	}
}

func listQuotas(io streams, l *adminapi.Quotas) error {
	fmt.Fprintf(io.err, "Account %s, %s\n", l.Account, l.Region)
	var rows [][]string
	for _, q := range l.Quotas {
		rows = append(rows, []string{q.Code, strconv.Itoa(q.Value), strconv.Itoa(q.Default), orDash(q.AWSCode), q.Name})
	}
	return table(io.out, "CODE VALUE DEFAULT AWS-CODE WHAT", rows)
}

func quotaSet() *command {
	return &command{
		name: "set", args: "CODE NUMBER|default",
		summary: "Change a quota",
		long:    "What exceeds a lowered quota stays; nothing more can be made. Only the account that\nruns the server may change quotas.",
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			account, region := quotaScope(fs)
			return func(args []string) (request, error) {
				in := adminapi.SetQuotaRequest{Code: args[0], Account: *account, Region: *region}
				if args[1] != "default" {
					n, err := strconv.Atoi(args[1])
					if err != nil || n < 0 {
						return request{}, &usageError{msg: fmt.Sprintf("the quota is %q: it must be a number, 0 or more, or default", args[1])}
					}
					in.Value = &n
				}
				return request{method: "POST", path: "/quotas", body: in}, nil
			}
		}, func(io streams, q *adminapi.Quota) error {
			_, err := fmt.Fprintf(io.out, "%s: %d (AWS's default: %d)\n", q.Name, q.Value, q.Default)
			return err
		}, "CODE", "NUMBER|default"),
	}
}
