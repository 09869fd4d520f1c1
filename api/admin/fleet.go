package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/service"
)

// Fleets answers about fleets and sessions of the caller's account and Region.
type Fleets interface {
	Fleets(ctx context.Context) ([]adminapi.Fleet, error)
	Fleet(ctx context.Context, name string) (adminapi.Fleet, error)
	// Sessions lists those of one fleet, or of all for "".
	Sessions(ctx context.Context, fleet string) ([]adminapi.Session, error)
}

func (h *handler) fleets(r *http.Request) (any, error) {
	f, err := h.src.Fleets(r.Context())
	return adminapi.Fleets{Fleets: list(f)}, err
}

func (h *handler) fleet(r *http.Request) (any, error) {
	return h.src.Fleet(r.Context(), r.PathValue("name"))
}

func (h *handler) sessions(r *http.Request) (any, error) {
	s, err := h.src.Sessions(r.Context(), r.URL.Query().Get("fleet"))
	return adminapi.Sessions{Sessions: list(s)}, err
}

func (o Operator) Fleets(ctx context.Context) ([]adminapi.Fleet, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	all, _, err := o.Service.Fleets(ctx, c, nil, "", 0)
	var out []adminapi.Fleet
	for _, f := range all {
		out = append(out, fleet(f))
	}
	return out, err
}

func (o Operator) Fleet(ctx context.Context, name string) (adminapi.Fleet, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Fleet{}, err
	}
	f, instances, err := o.Service.Fleet(ctx, c, name)
	if err != nil {
		return adminapi.Fleet{}, err
	}
	out := fleet(f)
	for _, i := range instances {
		out.Instances = append(out.Instances, adminapi.FleetInstance{
			ID: i.Key.Name, State: string(i.State), Generation: i.Generation, Zone: i.Zone, MemoryMB: i.MemoryMiB, Why: i.Why, Created: i.Created,
		})
	}
	return out, nil
}

func (o Operator) Sessions(ctx context.Context, fleet string) ([]adminapi.Session, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	all, err := o.Service.AllSessions(ctx, c, fleet)
	var out []adminapi.Session
	for _, x := range all {
		out = append(out, adminapi.Session{
			ID: x.Key.Name, State: string(x.State), Connected: x.Connected, User: x.User, Stack: x.Stack, Fleet: x.Fleet, Instance: x.Instance,
			Started: x.Started, Ends: x.Ends, Why: x.Why,
		})
	}
	return out, err
}

func fleet(f service.FleetSeen) adminapi.Fleet {
	c := f.Capacity
	out := adminapi.Fleet{
		Name: f.Key.Name, ARN: domain.FleetARN(f.Key), State: string(f.State), Type: f.Type, Image: f.ImageARN, InstanceType: f.InstanceType,
		Desired: c.Desired, Running: c.Running, InUse: c.InUse, Available: c.Available, Failures: f.Trouble.Failures, RetryAt: f.Trouble.RetryAt, Created: f.Created,
	}
	if c.Multi {
		out.Sessions = &adminapi.FleetSessions{Desired: c.DesiredSessions, Active: c.ActiveSessions, Available: c.AvailableSessions()}
	}
	for _, e := range f.Errors {
		out.Errors = append(out.Errors, adminapi.Reason{Code: e.Code, Message: e.Message})
	}
	return out
}
