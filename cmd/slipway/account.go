package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

func accountCommand() *command {
	return &command{
		name:    "account",
		summary: "List and make the accounts of a server",
		subs:    []*command{accountLs(), accountCreate()},
	}
}

func accountLs() *command {
	return &command{name: "ls", summary: "List the accounts", setup: asks(get("/accounts"), listAccounts)}
}

func listAccounts(io streams, l *adminapi.Accounts) error {
	var rows [][]string
	for _, a := range l.Accounts {
		role := "-"
		if a.Operator {
			role = "operator"
		}
		rows = append(rows, []string{a.ID, role, age(time.Now(), a.Created), orDash(a.Note)})
	}
	return table(io.out, "ACCOUNT ROLE AGE NOTE", rows)
}

func accountCreate() *command {
	return &command{
		name: "create", args: "[ACCOUNT]", summary: "Make an account and a key of its root",
		long: `
ACCOUNT is an id of 12 digits; without it one is chosen. The printed lines point
AWS clients at the new account, like those of slipway env. The secret is told
this once.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			note := fs.String("note", "", "keep this `text` with the account")
			return func(ctx context.Context, args []string, io streams) error {
				in := adminapi.CreateAccountRequest{Note: *note}
				if len(args) == 1 {
					in.ID = args[0]
				} else if err := exactly(args); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var out adminapi.NewAccount
				if err := c.call(ctx, "POST", "/accounts", in, &out); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, out)
				}
				fmt.Fprintf(io.err, "Made account %s.\n", out.Account.ID)
				return printKey(io, c, out.Key)
			}
		},
	}
}

// printKey prints a new key as lines for a shell.
func printKey(io streams, c *adminClient, k adminapi.Key) error {
	_, err := fmt.Fprint(io.out, envLines(ClientFile{Endpoint: c.to.Endpoint, Region: c.to.Region, AccessKeyID: k.ID, SecretAccessKey: k.Secret}))
	return err
}

func keyPath(id, verb string) string { return "/keys/" + url.PathEscape(id) + "/" + verb }
