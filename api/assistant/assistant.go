// Package assistant answers the Image Assistant inside an image builder's guest:
// one function per operation, from what guest/ carries to a use case and back.
// Whom it answers is known before: the machine whose channel a call came by.
//
// What the operations mean is in service/; the words of the answers are those of
// the developer guide ("Image Assistant CLI operations").
package assistant

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
	"slipway/service"
)

// API answers calls.
type API struct {
	Service *service.Service
	Log     *slog.Logger
}

// call is one call of a builder's guest.
type call struct {
	svc     *service.Service
	caller  domain.Caller
	builder string
}

var operations = map[string]func(ctx context.Context, c call, args json.RawMessage) (guest.Answer, error){
	guest.CallAddApplication: on(addApplication), guest.CallRemoveApplication: on(removeApplication),
	guest.CallListApplications: on(listApplications), guest.CallCreateImage: on(createImage),
}

// on reads an operation's arguments.
func on[T any](f func(ctx context.Context, c call, in T) (guest.Answer, error)) func(context.Context, call, json.RawMessage) (guest.Answer, error) {
	return func(ctx context.Context, c call, args json.RawMessage) (guest.Answer, error) {
		var in T
		if err := json.Unmarshal(args, &in); err != nil {
			return guest.Answer{}, fault.Wrap(fault.BadValue, err, "The request cannot be read.")
		}
		return f(ctx, c, in)
	}
}

// Answer does a call of the guest of a machine.
func (a *API) Answer(ctx context.Context, machine, name string, args json.RawMessage) guest.Answer {
	f := operations[name]
	if f == nil {
		return guest.Refused("Unknown operation: " + name[:min(len(name), 64)])
	}
	c := call{svc: a.Service}
	var err error
	if c.caller, c.builder, err = a.Service.GuestCaller(ctx, machine); err == nil {
		a.Log.Info("the Image Assistant asks", "machine", machine, "call", name)
		var out guest.Answer
		if out, err = f(ctx, c, args); err == nil {
			return out
		}
	}
	return a.failed(machine, name, err)
}

// failed turns an error into an answer; the private side stays here.
func (a *API) failed(machine, name string, err error) guest.Answer {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable, fault.Canceled:
		a.Log.Error("the Image Assistant's call failed", "machine", machine, "call", name, "error", err)
		return guest.Unexpected(fault.Public(err))
	}
	return guest.Refused(fault.Public(err))
}

func addApplication(ctx context.Context, c call, in guest.Application) (guest.Answer, error) {
	return guest.OK, c.svc.AddApplication(ctx, c.caller, c.builder, domain.Application{
		Name: in.Name, DisplayName: in.DisplayName, Path: in.Path, IconPath: in.IconPath, ManifestPath: in.ManifestPath,
		WorkingDirectory: in.WorkingDirectory, Parameters: in.Parameters,
	})
}

func removeApplication(ctx context.Context, c call, in guest.Named) (guest.Answer, error) {
	return guest.OK, c.svc.RemoveApplication(ctx, c.caller, c.builder, in.Name)
}

// listPage is how many applications fit into an answer whatever their paths.
const listPage = 5

func listApplications(ctx context.Context, c call, in guest.Named) (guest.Answer, error) {
	all, err := c.svc.Applications(ctx, c.caller, c.builder)
	if err != nil {
		return guest.Answer{}, err
	}
	out := guest.OK
	out.Applications = []guest.Application{}
	for begun := in.Name == ""; len(all) > 0; all = all[1:] {
		switch a := all[0]; {
		case !begun:
			begun = a.Name == in.Name
		case len(out.Applications) == listPage:
			out.Next = out.Applications[listPage-1].Name
			return out, nil
		default:
			out.Applications = append(out.Applications, guest.Application{
				Name: a.Name, DisplayName: a.DisplayName, Path: a.Path, IconPath: a.IconPath, ManifestPath: a.ManifestPath,
				WorkingDirectory: a.WorkingDirectory, Parameters: a.Parameters,
			})
		}
	}
	return out, nil
}

func createImage(ctx context.Context, c call, in guest.NewImage) (guest.Answer, error) {
	_, err := c.svc.CreateImageFromBuilder(ctx, c.caller, service.NewImage{
		Builder: c.builder, Name: in.Name, DisplayName: in.DisplayName, Description: in.Description,
		DynamicCatalog: in.DynamicCatalog, LatestAgent: in.LatestAgent, Tags: in.Tags, DryRun: in.DryRun,
	})
	var f *fault.Error
	switch {
	case fault.Is(err, fault.Exists):
		return guest.Refused("An image with the given name already exists"), nil
	case errors.As(err, &f) && f.Code == service.CodeTags:
		return guest.Refused("Invalid value (tags)"), nil
	}
	return guest.OK, err
}
