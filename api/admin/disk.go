package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Keeper knows the files behind sealed disks, and checks them.
type Keeper interface {
	// Look fills in what the files tell of a disk: AllocatedBytes, State and
	// what belongs to it.
	Look(d *adminapi.Disk) error
	// Verify begins to verify a disk. NotFound; Busy.
	Verify(digest string) error
	// Fsck begins a check of everything. Busy while one runs.
	Fsck(in adminapi.FsckRequest) error
	// FsckState tells of the check that runs, or of the last one.
	FsckState() adminapi.Fsck
}

// diskSource is a Source that keeps disks.
type diskSource interface {
	Disks(ctx context.Context) ([]adminapi.Disk, error)
	Disk(ctx context.Context, digest string) (adminapi.Disk, error)
	VerifyDisk(ctx context.Context, digest string) (adminapi.Disk, error)
	Usage(ctx context.Context) (adminapi.Usage, error)
	RunFsck(ctx context.Context, in adminapi.FsckRequest) (adminapi.Fsck, error)
	Fsck(ctx context.Context) (adminapi.Fsck, error)
}

// diskRoutes are the routes about disks. An account sees its own; verifying and
// checking are for the account that runs the server.
func diskRoutes(h *handler, route func(method, path, action string, f func(r *http.Request) (any, error))) {
	of := func(f func(s diskSource, r *http.Request) (any, error)) func(r *http.Request) (any, error) {
		return func(r *http.Request) (any, error) {
			s, ok := h.src.(diskSource)
			if !ok {
				return nil, fault.New(fault.NotFound, "This server keeps no disks.")
			}
			return f(s, r)
		}
	}
	route("GET", "/disks", "ListDisks", of(func(s diskSource, r *http.Request) (any, error) {
		d, err := s.Disks(r.Context())
		return adminapi.Disks{Disks: list(d)}, err
	}))
	route("GET", "/disks/{digest}", "GetDisk", of(func(s diskSource, r *http.Request) (any, error) {
		return s.Disk(r.Context(), r.PathValue("digest"))
	}))
	route("POST", "/disks/{digest}/verify", "VerifyDisk", of(func(s diskSource, r *http.Request) (any, error) {
		return s.VerifyDisk(r.Context(), r.PathValue("digest"))
	}))
	route("GET", "/usage", "GetUsage", of(func(s diskSource, r *http.Request) (any, error) { return s.Usage(r.Context()) }))
	route("GET", "/fsck", "GetFsck", of(func(s diskSource, r *http.Request) (any, error) { return s.Fsck(r.Context()) }))
	route("POST", "/fsck", "RunFsck", of(func(s diskSource, r *http.Request) (any, error) {
		var in adminapi.FsckRequest
		if err := body(r, &in); err != nil {
			return nil, err
		}
		return s.RunFsck(r.Context(), in)
	}))
}

// seen is whose disks a caller is told of: "" is everybody's.
func (o Operator) seen(ctx context.Context) (string, error) {
	c, err := caller(ctx)
	if err != nil || c.Account == o.Service.Config.Operator {
		return "", err
	}
	return c.Account, nil
}

// Disks lists the disks that the caller is told of.
func (o Operator) Disks(ctx context.Context) ([]adminapi.Disk, error) {
	account, err := o.seen(ctx)
	if err != nil {
		return nil, err
	}
	uses, err := o.Service.DiskUses(ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]adminapi.Disk, len(uses))
	for i, u := range uses {
		if out[i], err = o.disk(u); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Disk finds one of them.
func (o Operator) Disk(ctx context.Context, digest string) (adminapi.Disk, error) {
	account, err := o.seen(ctx)
	if err != nil {
		return adminapi.Disk{}, err
	}
	u, err := o.Service.DiskUse(ctx, account, digest)
	if err != nil {
		return adminapi.Disk{}, err
	}
	return o.disk(u)
}

func (o Operator) disk(u service.DiskUse) (adminapi.Disk, error) {
	d := adminapi.Disk{Digest: u.Digest, SizeBytes: u.SizeBytes, DataBytes: u.DataBytes, Created: u.Created, Users: subjects(u.Users)}
	if o.Keeper == nil {
		return d, nil
	}
	return d, o.Keeper.Look(&d)
}

func subjects(keys []domain.Key) []adminapi.Subject {
	out := []adminapi.Subject{}
	for _, k := range keys {
		out = append(out, adminapi.Subject{Kind: string(k.Kind), Account: k.Account, Region: k.Region, Name: k.Name})
	}
	return out
}

// VerifyDisk begins to verify a disk.
func (o Operator) VerifyDisk(ctx context.Context, digest string) (adminapi.Disk, error) {
	if _, err := o.Disk(ctx, digest); err != nil {
		return adminapi.Disk{}, err
	}
	if err := o.Keeper.Verify(digest); err != nil {
		return adminapi.Disk{}, err
	}
	return o.Disk(ctx, digest)
}

// Usage tells what accounts take.
func (o Operator) Usage(ctx context.Context) (adminapi.Usage, error) {
	account, err := o.seen(ctx)
	if err != nil {
		return adminapi.Usage{}, err
	}
	all, err := o.Service.Usage(ctx, account)
	out := adminapi.Usage{Accounts: []adminapi.AccountUsage{}}
	for _, a := range all {
		u := adminapi.AccountUsage{Account: a.Account, Holders: a.Holders, Disks: a.Disks, VirtualBytes: a.Virtual, DataBytes: a.Data}
		if account == "" {
			u.OwnBytes, u.ShareBytes = new(a.Own), new(a.Share)
		}
		out.Accounts = append(out.Accounts, u)
	}
	return out, err
}

// RunFsck begins a check of everything.
func (o Operator) RunFsck(ctx context.Context, in adminapi.FsckRequest) (adminapi.Fsck, error) {
	if err := o.Keeper.Fsck(in); err != nil {
		return adminapi.Fsck{}, err
	}
	return o.Fsck(ctx)
}

// Fsck tells of the check that runs, or of the last one.
func (o Operator) Fsck(context.Context) (adminapi.Fsck, error) { return o.Keeper.FsckState(), nil }
