package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
)

// request is one request to the admin API.
type request struct {
	method, path string
	body         any    // nil for none
	list         string // the command that lists what there is; said where there is no such thing
}

// asks is the setup of a leaf that sends one request to a server and shows the
// answer: as text, or with --json as it came. What declare returns makes the
// request of the flags and of the arguments, one for each of words.
func asks[T any](declare func(fs *flag.FlagSet) func(args []string) (request, error), show func(io streams, answer *T) error, words ...string) func(*flag.FlagSet) action {
	return func(fs *flag.FlagSet) action {
		dir, asJSON := targetFlag(fs), jsonFlag(fs)
		compose := declare(fs)
		return func(ctx context.Context, args []string, io streams) error {
			if err := exactly(args, words...); err != nil {
				return err
			}
			r, err := compose(args)
			if err != nil {
				return err
			}
			c, err := newAdminClient(ctx, *dir)
			if err != nil {
				return err
			}
			answer := new(T)
			err = c.call(ctx, r.method, r.path, r.body, answer)
			if no := (*adminError)(nil); r.list != "" && errors.As(err, &no) && no.Status == http.StatusNotFound {
				return fmt.Errorf("%w %s", err, "`"+r.list+"` lists them.")
			}
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(io.out, answer)
			}
			return show(io, answer)
		}
	}
}

// get asks for what is at a path.
func get(path string) func(*flag.FlagSet) func([]string) (request, error) {
	return func(*flag.FlagSet) func([]string) (request, error) {
		return func([]string) (request, error) { return request{method: "GET", path: path}, nil }
	}
}

// getNamed asks for what has the name that is the only argument; list is the
// command that lists such things, "" where the server's answer names it.
func getNamed(path, list string) func(*flag.FlagSet) func([]string) (request, error) {
	return func(*flag.FlagSet) func([]string) (request, error) {
		return func(args []string) (request, error) {
			return request{method: "GET", path: path + url.PathEscape(args[0]), list: list}, nil
		}
	}
}
