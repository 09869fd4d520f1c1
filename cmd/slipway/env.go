package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
)

func envCommand() *command {
	return &command{
		name:    "env",
		summary: "Print the environment that points AWS clients at a server",
		long: `
Prints shell lines for  eval "$(slipway env --data-dir DIR)"; after that the
aws command line and any AWS SDK talk to the server. The lines contain a secret
access key.`,
		setup: func(fs *flag.FlagSet) action {
			dir := fs.String("data-dir", defaultDataDir(), "the server's data `dir`ectory; also SLIPWAY_DATA")
			return func(ctx context.Context, args []string, io streams) error {
				if err := exactly(args); err != nil {
					return err
				}
				c, err := ReadClientFile(*dir)
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(io.out, envLines(c))
				return err
			}
		},
	}
}

func envLines(c ClientFile) string {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"AWS_ENDPOINT_URL", c.Endpoint},
		{"AWS_REGION", c.Region},
		{"AWS_DEFAULT_REGION", c.Region},
		{"AWS_ACCESS_KEY_ID", c.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", c.SecretAccessKey},
	} {
		b.WriteString("export " + kv[0] + "=" + shellQuote(kv[1]) + "\n")
	}
	if c.CABundle != "" {
		// The JavaScript SDK reads the second one.
		b.WriteString("export AWS_CA_BUNDLE=" + shellQuote(c.CABundle) + "\nexport NODE_EXTRA_CA_CERTS=" + shellQuote(c.CABundle) + "\n")
	}
	// A profile or a session token of another account would be mixed with the
	// key above, and every request would be refused.
	b.WriteString("unset AWS_PROFILE AWS_SESSION_TOKEN\n")
	return b.String()
}

// shellQuote makes one word of s for any POSIX shell.
func shellQuote(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_") == ""
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
