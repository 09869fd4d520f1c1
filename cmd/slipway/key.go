package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"time"

	"slipway/api/admin/adminapi"
)

func keyCommand() *command {
	return &command{
		name:    "key",
		summary: "List, make, rotate and disable access keys",
		subs:    []*command{keyLs(), keyCreate(), keyRotate(), keyDisable()},
	}
}

func keyLs() *command {
	return &command{
		name: "ls", summary: "List the access keys of all accounts",
		setup: asks(func(fs *flag.FlagSet) func([]string) (request, error) {
			account := fs.String("account", "", "only those of this `account`")
			return func([]string) (request, error) {
				return request{method: "GET", path: "/keys?account=" + url.QueryEscape(*account)}, nil
			}
		}, listKeys),
	}
}

func listKeys(io streams, l *adminapi.Keys) error {
	var rows [][]string
	for _, k := range l.Keys {
		rows = append(rows, []string{k.ID, k.Account, ownerOf(k), statusOf(k), age(time.Now(), k.Created)})
	}
	return table(io.out, "KEY ACCOUNT OWNER STATUS AGE", rows)
}

func ownerOf(k adminapi.Key) string {
	if k.User == "" {
		return "root"
	}
	return k.User
}

func statusOf(k adminapi.Key) string {
	if k.Disabled {
		return "disabled"
	}
	return "active"
}

func keyCreate() *command {
	return &command{
		name: "create", summary: "Make an access key of an account's root or of a user",
		long: `
The printed lines point AWS clients at the server with the new key, like those
of slipway env. The secret is told this once.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			account := fs.String("account", "", "of this `account` (default: the one that runs the server)")
			user := fs.String("user", "", "of this `user` and not of the root")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var k adminapi.Key
				if err := c.call(ctx, "POST", "/keys", adminapi.CreateKeyRequest{Account: *account, User: *user}, &k); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, k)
				}
				return printKey(io, c, k)
			}
		},
	}
}

func keyRotate() *command {
	return &command{
		name: "rotate", args: "KEY", summary: "Make a new key in the place of KEY, and disable KEY",
		long: `
A key that was disabled before is deleted to make room: nobody has more than
two. When KEY is the one the data directory keeps for clients on this machine,
the file is written anew.`,
		setup: func(fs *flag.FlagSet) action {
			dir, asJSON := targetFlag(fs), jsonFlag(fs)
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args, "KEY"); err != nil {
					return err
				}
				c, err := newAdminClient(ctx, *dir)
				if err != nil {
					return err
				}
				var k adminapi.Key
				if err := c.call(ctx, "POST", keyPath(args[0], "rotate"), nil, &k); err != nil {
					return err
				}
				if err := keepRotated(*dir, args[0], k, io); err != nil {
					return err
				}
				if *asJSON {
					return printJSON(io.out, k)
				}
				return printKey(io, c, k)
			}
		},
	}
}

// keepRotated puts a rotated key into the file of the data directory, where it
// holds the old one.
func keepRotated(dir, old string, k adminapi.Key, io streams) error {
	if dir == "" {
		dir = defaultDataDir()
	}
	f, err := ReadClientFile(dir)
	if err != nil || f.AccessKeyID != old {
		return nil // another server's, or nobody's: not ours to write
	}
	f.AccessKeyID, f.SecretAccessKey = k.ID, k.Secret
	if err := WriteClientFile(dir, f); err != nil {
		return fmt.Errorf("the key was rotated, but %s could not be written (%w): restart the server, which writes it anew", clientFileName, err)
	}
	fmt.Fprintf(io.err, "%s has the new key.\n", dir)
	return nil
}

func keyDisable() *command {
	return &command{
		name: "disable", args: "KEY", summary: "Refuse every request that is signed with KEY from now on",
		setup: asks(func(*flag.FlagSet) func([]string) (request, error) {
			return func(args []string) (request, error) {
				return request{method: "POST", path: keyPath(args[0], "disable")}, nil
			}
		}, func(io streams, k *adminapi.Key) error {
			_, err := fmt.Fprintf(io.out, "%s of account %s is disabled.\n", k.ID, k.Account)
			return err
		}, "KEY"),
	}
}
