package tool

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"slipway/guest"
)

// Port is the name of the serial port that leads to the host.
const Port = "io.slipway.guest.0"

// Daemon owns the port to the host and passes on what the Image Assistant asks.
type Daemon struct {
	Version string
	Log     func(format string, args ...any)
	// Orders carries out what the host orders; nil: nobody does.
	Orders *Orderly
	// Open opens the port; nil means that of this machine.
	Open func() (io.ReadWriteCloser, error)

	once sync.Once
	peer *guest.Peer
}

// Peer is the daemon's side of the talk with the host.
func (d *Daemon) Peer() *guest.Peer {
	d.once.Do(func() {
		d.peer = &guest.Peer{Self: guest.Greeting{Tool: d.Version, System: System}}
		if d.Orders != nil {
			d.peer.Do = d.Orders.Do
		}
	})
	return d.peer
}

// reopenEvery is the time between two looks for a port or a host that is away.
const reopenEvery = time.Second

// Attend keeps the port open until ctx ends. While the host is away a read of the
// port ends at once; it is opened again then, and the host knocked at.
func (d *Daemon) Attend(ctx context.Context) {
	open := d.Open
	if open == nil {
		open = func() (io.ReadWriteCloser, error) { return openPort(Port) }
	}
	last := ""
	for ctx.Err() == nil {
		c, err := open()
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			err = d.Peer().Run(ctx, c)
			stop()
			_ = c.Close()
		}
		if text := err.Error(); text != last && ctx.Err() == nil {
			d.Log("the port to the host: %v", err)
			last = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopenEvery):
		}
	}
}

// request is what the Image Assistant sends to the daemon: one line of JSON, one
// line back, on a connection of its own.
type request struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// Listen serves the Image Assistant until ctx ends.
func (d *Daemon) Listen(ctx context.Context) error {
	path, err := listenPlace()
	if err != nil {
		return fmt.Errorf("the Image Assistant's socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("the Image Assistant's socket: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	if err := guard(path); err != nil {
		return errors.Join(err, l.Close())
	}
	return d.Serve(ctx, l)
}

// Serve answers on a listener until it is closed.
func (d *Daemon) Serve(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go d.serve(ctx, c)
	}
}

// askTime is how long the host may take to answer.
const askTime = 60 * time.Second

func (d *Daemon) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer time.AfterFunc(2*askTime, func() { _ = c.Close() }).Stop()
	var q request
	if json.NewDecoder(io.LimitReader(c, guest.MaxFrame)).Decode(&q) != nil {
		return
	}
	b, err := json.Marshal(d.ask(ctx, q))
	if err == nil {
		_, _ = c.Write(append(b, '\n'))
	}
}

// callBuilder asks no more than whether this machine is an image builder.
const callBuilder = "is-image-builder"

// ask does one request at the host, if this machine is one for it.
func (d *Daemon) ask(ctx context.Context, q request) guest.Answer {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	role, err := d.Peer().Role(ctx)
	if err == nil && role != guest.RoleBuilder {
		return guest.Refused("This machine is not an image builder")
	}
	if err == nil && q.Name == callBuilder {
		return guest.OK
	}
	var a guest.Answer
	if err == nil {
		a, err = d.Peer().Ask(ctx, q.Name, q.Args)
	}
	if err != nil {
		return guest.Unexpected("The request could not be sent to the server: " + err.Error())
	}
	return a
}

// Ask asks the daemon of this machine; where none runs, the host itself.
func Ask(ctx context.Context, version, name string, args any) (guest.Answer, error) {
	c, err := net.Dial("unix", socketPath)
	if err == nil {
		return askOn(ctx, c, name, args)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &Daemon{Version: version, Log: func(string, ...any) {}}
	if port, perr := openPort(Port); perr != nil {
		return guest.Answer{}, fmt.Errorf("the guest tool does not run (%w), and %w", err, perr)
	} else if err := port.Close(); err != nil {
		return guest.Answer{}, err
	}
	go d.Attend(ctx)
	b, err := json.Marshal(args)
	if err != nil {
		return guest.Answer{}, err
	}
	return d.ask(ctx, request{name, b}), nil
}

func askOn(ctx context.Context, c net.Conn, name string, args any) (a guest.Answer, err error) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	b, err := json.Marshal(args)
	if err != nil {
		return a, err
	}
	if err := json.NewEncoder(c).Encode(request{name, b}); err != nil {
		return a, fmt.Errorf("ask the guest tool: %w", err)
	}
	line, err := bufio.NewReaderSize(c, guest.MaxFrame).ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("the guest tool gave no answer: %w", err)
	}
	return a, json.Unmarshal(line, &a)
}
