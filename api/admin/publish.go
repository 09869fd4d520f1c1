package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Publisher is a Source that keeps public base images.
type Publisher interface {
	Publish(ctx context.Context, in adminapi.PublishRequest) (adminapi.Image, error)
	Withdraw(ctx context.Context, name string) error
}

// Publish implements Publisher.
func (o Operator) Publish(ctx context.Context, in adminapi.PublishRequest) (adminapi.Image, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Image{}, err
	}
	img, err := o.Service.PublishImage(ctx, c, service.Publication{
		Name: in.Name, Image: in.Image, AMI: in.AMI, DisplayName: in.DisplayName, Description: in.Description,
	})
	if err != nil {
		return adminapi.Image{}, err
	}
	out := image(img)
	shown := img.Key
	shown.Region = c.Region
	out.ARN = domain.ImageARN(shown)
	return out, nil
}

// Withdraw implements Publisher.
func (o Operator) Withdraw(ctx context.Context, name string) error {
	return o.Service.WithdrawImage(ctx, name)
}

func (h *handler) publisher() (Publisher, error) {
	if p, ok := h.src.(Publisher); ok {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "This server keeps no public images.")
}

func (h *handler) publish(r *http.Request) (any, error) {
	p, err := h.publisher()
	if err != nil {
		return nil, err
	}
	var in adminapi.PublishRequest
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return p.Publish(r.Context(), in)
}

func (h *handler) withdraw(r *http.Request) (any, error) {
	p, err := h.publisher()
	if err != nil {
		return nil, err
	}
	return struct{}{}, p.Withdraw(r.Context(), r.PathValue("name"))
}
