package guestnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Arg is the first argument that makes a program of ours this process; the
// second is the file with its Config.
const Arg = "guest-network"

// Main is the process; it ends by a signal, with its machine, or when it cannot
// begin. It must be all that the program does.
func Main(args []string, errs io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(errs, "the network of a guest wants one file")
		return 2
	}
	c, err := readConfig(args[0])
	if err == nil {
		err = run(context.Background(), c, confine)
	}
	if errors.Is(err, errAlone) {
		return 0
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	n.wg.Go(func() { l.transmit(ctx) })
	n.wg.Go(func() {
		if l.alone(ctx, peerTime, lookTime) {
			cancel(errAlone)
		}
	})
	err := l.receive()
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		n.close()
		return context.Cause(ctx)
	}
	return err
}

// errAlone is the end that is no mistake: there is no machine any more.
var errAlone = errors.New("the machine has ended")

const (
	peerTime = 5 * time.Minute // for a machine to appear, on a loaded host
	lookTime = 2 * time.Second // between two looks at whether it is still there
)

// alone waits until the guest's end of the link is gone after it was there, or
// has not appeared in time; false when ctx ends first. Nobody else might ever
// come by to end us.
func (l *link) alone(ctx context.Context, appear, every time.Duration) bool {
	t := time.NewTicker(every)
	defer t.Stop()
	late := time.After(appear)
	for seen := false; ; {
		c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: l.Peer, Net: "unixgram"})
		switch {
		case err == nil:
			seen = true
			_ = c.Close()
		case seen:
			return true
		}
		select {
		case <-t.C:
		case <-late:
			if !seen {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}
