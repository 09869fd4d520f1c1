package work

import (
	"context"
	"encoding/json"
	"time"

	"slipway/guest"
)

// talk lets f give orders to the guest tool of a machine that nobody works on.
// Nobody else hears the tool meanwhile: what it asks by itself is refused. Errors
// are f's, and NotAvailable when no tool answers in time.
func (w *World) talk(ctx context.Context, machine string, f func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error) error {
	return w.talkAs(ctx, machine, guest.RoleBuilder, w.Boot.filled(w.Driver.Features().Accel).Tool, f)
}

// talkAs is talk with a machine of any role, whose tool has so long to answer.
func (w *World) talkAs(ctx context.Context, machine, role string, patience time.Duration, f func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error) error {
	c, err := w.Driver.Channel(ctx, machine)
	if err != nil {
		return err
	}
	serving, cancel := context.WithCancel(ctx)
	orders, ended := &guest.Orders{}, make(chan struct{})
	host := guest.Host{Role: role, Session: w.IDs.UUID(), Orders: orders, Answer: func(context.Context, string, json.RawMessage) guest.Answer {
		return guest.Refused("The server is at work in this machine; try again when it has ended")
	}}
	go func() {
		defer close(ended)
		_ = host.Serve(serving, c) // its end is told to who gives orders
	}()
	defer func() { cancel(); <-ended }()
	return order(ctx, orders, patience, f)
}

// order runs f when the tool is there.
func order(ctx context.Context, orders *guest.Orders, patience time.Duration, f func(ctx context.Context, o *guest.Orders, tool guest.Greeting) error) error {
	wait, stop := context.WithTimeout(ctx, patience)
	defer stop()
	tool, err := orders.Tool(wait)
	if err == nil {
		err = f(ctx, orders, tool)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
