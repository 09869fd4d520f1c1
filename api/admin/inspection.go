package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/fault"
)

// Inspections is a Source that knows what stands on disks.
type Inspections interface {
	// Inspection tells what was seen on the disk of an AMI. WrongState when it
	// has no sealed disk yet.
	Inspection(ctx context.Context, ami string) (adminapi.Inspection, error)
}

func (h *handler) inspection(r *http.Request) (any, error) {
	src, ok := h.src.(Inspections)
	if !ok {
		return nil, fault.New(fault.NotFound, "This server keeps no inspections.")
	}
	return src.Inspection(r.Context(), r.PathValue("id"))
}

// Inspection implements Inspections.
func (o Operator) Inspection(ctx context.Context, ami string) (adminapi.Inspection, error) {
	c, err := caller(ctx)
	if err != nil {
		return adminapi.Inspection{}, err
	}
	d, err := o.Service.AMIDisk(ctx, c, ami)
	if err != nil {
		return adminapi.Inspection{}, err
	}
	return adminapi.Inspection{AMI: ami, Disk: d.Key.Name, Inspector: d.Inspector, Facts: d.Facts, Problem: d.Problem}, nil
}
