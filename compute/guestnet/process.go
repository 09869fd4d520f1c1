package guestnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// Arg is the first argument that makes a program of ours this process; the
// second is the file with its Config.
const Arg = "guest-network"

// Main is the process; it ends only by a signal or when it cannot begin. It
// must be all that the program does.
func Main(args []string, errs io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(errs, "the network of a guest wants one file")
		return 2
	}
	c, err := readConfig(args[0])
	if err == nil {
		err = run(context.Background(), c, confine)
	}
	fmt.Fprintln(errs, err)
	return 1
}

// run serves a guest until ctx ends. confine is called once everything is open
// and before the first frame is read.
func run(ctx context.Context, c Config, confine func(plan) error) error {
	n, l, err := open(ctx, c)
	if err != nil {
		return err
	}
	if err := confine(n.plan); err != nil {
		return err
	}
	return serve(ctx, n, l)
}

func open(ctx context.Context, c Config) (*network, *link, error) {
	p, err := c.checked()
	if err != nil {
		return nil, nil, err
	}
	l, err := openLink(p)
	if err != nil {
		return nil, nil, err
	}
	n, err := newNetwork(ctx, l)
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return n, l, nil
}

func serve(ctx context.Context, n *network, l *link) error {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	n.wg.Go(func() { l.transmit(ctx) })
	err := l.receive()
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		n.close()
		return ctx.Err()
	}
	return err
}
