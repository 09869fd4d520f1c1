package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"slipway/api/admin/adminapi"
	"slipway/compute"
	"slipway/compute/fake"
	"slipway/compute/qemu"
	"slipway/disk"
	"slipway/disk/convert"
	"slipway/disk/facts"
	"slipway/disk/inspect"
	"slipway/disk/rules"
	"slipway/domain"
	"slipway/guest/bundle"
	"slipway/guest/pretend"
	"slipway/service"
	"slipway/store"
	"slipway/work"
)

// openWorld opens the disks and the driver that the workflows act on.
func openWorld(ctx context.Context, c ServeConfig, st store.Store, g *guests, log *slog.Logger) (*work.World, error) {
	disks, err := disk.Open(filepath.Join(c.DataDir, "disks"))
	if err != nil {
		return nil, err
	}
	driver, missing, err := openDriver(ctx, c, g)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		log.Warn("machines cannot be started here: " + strings.Join(missing, ", ") + " missing; `slipway doctor` says how to install it. Everything that needs no machine works.")
	}
	types, err := instances(c)
	if err != nil {
		return nil, err
	}
	updates, err := updaters(c)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file: %w", err)
	}
	objects, err := openObjects(c)
	if err != nil {
		return nil, err
	}
	software, err := installers(ctx, c, objects)
	if err != nil {
		return nil, err
	}
	cd, err := bundle.ISO(ctx, filepath.Join(c.DataDir, "guest"))
	if err != nil {
		return nil, err
	}
	if cd == "" {
		log.Warn("this server was built without the guest tools (make build puts them in): image builders run, and images cannot be made from inside them")
	}
	return &work.World{
		ToolsCD:   cd,
		Tool:      func(system string) ([]byte, string) { return bundle.Program(system), toolVersion(c) },
		ImportDir: c.ImportDir, Objects: objects, Convert: &convert.Converter{Warn: func(text string) { log.Warn(text) }},
		Store: st, Disks: disks, Driver: driver, Rules: rules.Set(c.ImportRules), IDs: domain.RandomIDs, Clock: domain.WallClock,
		DataDir: c.DataDir, Boot: work.BootLimits{Total: c.BootLimit, Stall: c.BootStall}, Slots: work.NewSlots(func() int { return guestsAtOnce(c, driver) }),
		Instances: types, Installers: software, Updaters: updates,
		Inspect: func(ctx context.Context, path string) (facts.Facts, error) { return inspect.Inspect(ctx, exe, path) },
		Apps: func(ctx context.Context, path string, apps []facts.App) ([]facts.AppSeen, error) {
			return inspect.Apps(ctx, exe, path, apps)
		},
	}, nil
}

// openDriver also tells what the driver lacks on this host.
func openDriver(ctx context.Context, c ServeConfig, g *guests) (compute.Driver, []string, error) {
	run := filepath.Join(c.DataDir, "run")
	if c.Compute == "fake" {
		tools := &pretend.Tools{Version: version}
		d, err := fake.New(fake.Options{Dir: run, BootTime: c.FakeBootTime, Guest: tools.Serve})
		if err == nil {
			tools.Started = d.Open
		}
		return d, nil, err
	}
	d, err := qemu.New(ctx, qemu.Options{Dir: run, Network: g.network(c)})
	if err != nil {
		return nil, nil, err
	}
	return d, d.Missing(), nil
}

// guestsAtOnce: software emulation takes a processor and more per guest.
func guestsAtOnce(c ServeConfig, d compute.Driver) int {
	switch {
	case c.Compute == "fake":
		return 64
	case d.Features().Accel == "kvm":
		return max(1, runtime.NumCPU()/2)
	}
	return max(1, runtime.NumCPU()/4)
}

func listMachines(d compute.Driver) func(ctx context.Context) ([]adminapi.Machine, error) {
	return func(ctx context.Context) ([]adminapi.Machine, error) {
		list, err := d.List(ctx)
		out := []adminapi.Machine{}
		for _, m := range list {
			out = append(out, adminapi.Machine{
				ID: m.ID, State: string(m.State), PID: m.PID, Started: m.Started, MemoryMB: m.MemoryMB, CPUs: m.CPUs, Labels: m.Labels, Detail: m.Detail,
			})
		}
		return out, err
	}
}

// host is the driver as the use cases want it.
type host struct{ driver compute.Driver }

func (h host) Room() domain.HostRoom {
	f := h.driver.Features()
	return domain.HostRoom{MemoryMiB: f.TotalMB, FreeMiB: f.MemoryMB, CPUs: f.CPUs, Pretend: f.Name == "fake"}
}

// blocks is the disk store as the use cases want it: digests are words there.
type blocks struct{ disks *disk.Store }

func (b blocks) CreateUpload(ctx context.Context, id string, n int64) error {
	return b.disks.CreateUpload(ctx, id, n)
}

func (b blocks) PutBlock(ctx context.Context, id string, index int64, data []byte, sum [32]byte) error {
	return b.disks.PutBlock(ctx, id, index, data, sum)
}

func (b blocks) Present(id string) (int64, error) {
	u, err := b.disks.Upload(id)
	return u.Present, err
}

func (b blocks) Checksum(ctx context.Context, id string) ([32]byte, error) {
	return b.disks.Checksum(ctx, id)
}

func (b blocks) ChangedBlocks(first, second string, from int64, max int) ([]service.Change, error) {
	x, err := disk.ParseDigest(first)
	if err != nil {
		return nil, err
	}
	y, err := disk.ParseDigest(second)
	if err != nil {
		return nil, err
	}
	list, err := b.disks.ChangedBlocks(x, y, from, max)
	out := make([]service.Change, len(list))
	for i, c := range list {
		out[i] = service.Change(c)
	}
	return out, err
}

func (b blocks) ReadBlock(ctx context.Context, digest string, index int64) ([]byte, [32]byte, error) {
	d, err := disk.ParseDigest(digest)
	if err != nil {
		return nil, [32]byte{}, err
	}
	return b.disks.ReadBlock(ctx, d, index)
}

func (b blocks) DataBlocks(digest string, from int64, max int) ([]int64, error) {
	d, err := disk.ParseDigest(digest)
	if err != nil {
		return nil, err
	}
	return b.disks.DataBlocks(d, from, max)
}

// toolVersion is the version of the guest tool that machines can have from this
// server; "" when it carries none.
func toolVersion(c ServeConfig) string {
	if c.Compute == "fake" {
		return version
	}
	return bundle.Version()
}
