package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/service"
)

// Builders answers about image builders of the caller's account and Region.
type Builders interface {
	Builders(ctx context.Context) ([]adminapi.Builder, error)
	Builder(ctx context.Context, name string) (adminapi.Builder, error)
	NewImage(ctx context.Context, builder string, in adminapi.NewImageRequest) (adminapi.Image, error)
}

func (h *handler) builders(r *http.Request) (any, error) {
	b, err := h.src.Builders(r.Context())
	return adminapi.Builders{Builders: list(b)}, err
}

func (h *handler) builder(r *http.Request) (any, error) {
	return h.src.Builder(r.Context(), r.PathValue("name"))
}

func (h *handler) newImage(r *http.Request) (any, error) {
	var in adminapi.NewImageRequest
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return h.src.NewImage(r.Context(), r.PathValue("name"), in)
}

// NewImage begins to make an image of a running builder.
func (o Operator) NewImage(ctx context.Context, builder string, in adminapi.NewImageRequest) (adminapi.Image, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Image{}, err
	}
	img, err := o.Service.CreateImageFromBuilder(ctx, c, service.NewImage{
		Builder: builder, Name: in.Name, DisplayName: in.DisplayName, Description: in.Description, DynamicCatalog: in.DynamicCatalog,
		LatestAgent: in.LatestAgent, Tags: in.Tags, DryRun: in.DryRun,
	})
	if err != nil {
		return adminapi.Image{}, err
	}
	return image(img), nil
}

func (o Operator) Builders(ctx context.Context) ([]adminapi.Builder, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	all, _, err := o.Service.Builders(ctx, c, service.BuilderQuery{})
	var out []adminapi.Builder
	for _, b := range all {
		out = append(out, builder(b))
	}
	return out, err
}

func (o Operator) Builder(ctx context.Context, name string) (adminapi.Builder, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Builder{}, err
	}
	b, err := o.Service.Builder(ctx, c, name)
	if err != nil {
		return adminapi.Builder{}, err
	}
	out := builder(b)
	j, err := o.Service.LastJob(ctx, b.Key)
	if err == nil && j != nil {
		out.Job = new(o.job(j))
	}
	return out, err
}

func builder(b *domain.Builder) adminapi.Builder {
	out := adminapi.Builder{
		Name: b.Key.Name, ARN: domain.BuilderARN(b.Key), State: string(b.State), Image: b.ImageARN, Platform: b.Platform, InstanceType: b.InstanceType,
		CPUs: b.CPUs, MemoryMB: b.MemoryMiB, VolumeGiB: b.VolumeGiB, Machine: b.Machine, Address: b.Address, Tool: b.Tool, Created: b.Created, Evidence: evidence(b.Evidence),
	}
	if b.Reason != nil {
		out.Reason = &adminapi.Reason{Code: b.Reason.Code, Message: b.Reason.Message}
	}
	return out
}
