package work

import (
	"context"

	"slipway/compute"
	"slipway/disk"
	"slipway/domain"
)

// machine is what a guest that lasts is started from: an image builder's or an
// instance's. All that both share is here.
type machine struct {
	id        string
	cpus      int
	memoryMiB int64
	layer     string // the file it writes into
	disk      string // digest of the sealed disk below; "": none
	board     string // directory for what its board remembers; "": nothing
	network   compute.Network
	cd        string // image in its CD drive; "": no drive
	labels    map[string]string
	tags      domain.Tags // of whom it belongs to
}

// network is what the driver is told of the network of a guest; nothing for one of
// an older version, which has no address.
func network(g domain.Guest) compute.Network {
	if !g.Address.IsValid() {
		return compute.Network{}
	}
	// The service is for those who can sign: with a role's credentials, or with
	// others that whoever works in it may bring along.
	return compute.Network{Address: g.Address, MAC: g.MAC(), Hostname: domain.Hostname(g.Address.Addr()), Internet: g.Internet, Metadata: true, Service: g.Internet || g.RoleARN != ""}
}

// spec is what the driver is told of a machine.
func (w *World) spec(ctx context.Context, m machine) (compute.Spec, error) {
	spec := compute.Spec{
		ID: m.id, CPUs: m.cpus, MemoryMB: m.memoryMiB, TPM: w.Driver.Features().TPM, StateDir: m.board, CD: m.cd, Network: m.network,
		Disk: compute.Disk{Chain: []compute.File{{Path: m.layer, Format: "qcow2"}}}, Labels: m.labels,
	}
	if f := m.tags["slipway:fault"]; f != "" {
		spec.Labels["fault"] = f // heeded by the fake driver alone
	}
	if m.disk == "" {
		return spec, nil
	}
	base, err := baseOf(m.disk)
	if err != nil {
		return spec, err
	}
	spec.Disk.Chain = append(spec.Disk.Chain, compute.File{Path: w.Disks.Path(base), Format: "raw"})
	spec.Bus, spec.NIC, err = w.hardware(ctx, m.disk)
	return spec, err
}

// launch starts a machine as soon as there is a slot for it; say tells people
// what it waits for. Repeatable.
func (w *World) launch(ctx context.Context, spec compute.Spec, say func(note string)) error {
	say("waiting for room to boot a guest")
	if err := w.Slots.Take(ctx, spec.ID); err != nil {
		return err
	}
	say("starting the guest")
	_, err := w.Driver.Start(ctx, spec)
	return err
}

// demolish ends a machine, whatever it does. Repeatable.
func (w *World) demolish(ctx context.Context, id string) error {
	if err := w.Driver.Destroy(ctx, id); err != nil {
		return err
	}
	w.Slots.Release(id)
	return nil
}

// baseOf is the sealed disk below a layer; the zero digest is none.
func baseOf(digest string) (disk.Digest, error) {
	if digest == "" {
		return disk.Digest{}, nil
	}
	return disk.ParseDigest(digest)
}
