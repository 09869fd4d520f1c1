package work

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"slipway/disk"
	"slipway/domain"
	"slipway/fault"
	"slipway/guest"
)

// task works on one instance; it waits when there are many.
type task struct {
	fleet    *domain.Fleet
	instance *domain.FleetInstance
	remove   bool               // else it boots
	cancel   context.CancelFunc // nil while it waits
}

// assign gives an instance the task that its state asks for, unless it has one.
func (k *FleetKeeper) assign(ctx context.Context, f *domain.Fleet, i *domain.FleetInstance) {
	remove := i.State == domain.InstanceTerminating
	if !remove && i.State != domain.InstanceProvisioning && i.State != domain.InstanceStarting {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch have := k.tasks[i.Key.Name]; {
	case have == nil:
		k.tasks[i.Key.Name] = &task{fleet: f, instance: i, remove: remove}
		k.queue = append(k.queue, i.Key.Name)
		k.next(ctx)
	case have.cancel == nil:
		have.fleet, have.instance, have.remove = f, i, remove
	case remove && !have.remove:
		have.cancel() // it boots; when that was broken off, the next look removes it
	}
}

// next begins tasks that wait, as many as may run; k.mu is held.
func (k *FleetKeeper) next(ctx context.Context) {
	for k.busy < k.Tasks && len(k.queue) > 0 {
		t := k.tasks[k.queue[0]]
		k.queue = k.queue[1:]
		k.busy++
		var own context.Context
		own, t.cancel = context.WithCancel(ctx)
		k.wg.Go(func() {
			defer t.cancel()
			r := k.work(own, t.fleet, t.instance, t.remove)
			select {
			case k.results <- r:
			case <-ctx.Done(): // nobody listens any more
			}
		})
	}
}

// release forgets a task that has ended.
func (k *FleetKeeper) release(ctx context.Context, instance string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tasks, instance)
	k.busy--
	k.next(ctx)
}

func (k *FleetKeeper) work(ctx context.Context, f *domain.Fleet, i *domain.FleetInstance, remove bool) result {
	if remove {
		err := survives("The instance could not be removed.", func() error {
			if err := k.World.demolish(ctx, i.Key.Name); err != nil {
				return err
			}
			return k.World.Disks.RemoveOverlay(ctx, i.Key.Name)
		})
		if err != nil && ctx.Err() == nil {
			k.Log.Warn("an instance could not be removed", "instance", i.Key.Name, "error", err)
			wait(ctx, time.Second, nil) // the next look tries again
		}
		return result{instance: i, gone: err == nil}
	}
	var on domain.Event
	err := survives("The instance failed unexpectedly.", func() (err error) { // guests show what they like
		on, err = k.World.boot(ctx, k, f, i)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return result{instance: i} // stopping, or not wanted any more
	case err != nil:
		return result{instance: i, on: domain.InstanceBroke, cause: err}
	}
	return result{instance: i, on: on}
}

// boot makes an instance's layer and brings its guest up; an instance that is
// only prepared waits for its user before that. Repeatable.
func (w *World) boot(ctx context.Context, k *FleetKeeper, f *domain.Fleet, i *domain.FleetInstance) (domain.Event, error) {
	layer, err := w.instanceLayer(ctx, i)
	if err != nil {
		return "", err
	}
	if i.Prepared && i.State == domain.InstanceProvisioning {
		return domain.InstanceMade, nil
	}
	id := i.Key.Name
	spec, err := w.spec(ctx, machine{
		id: id, cpus: i.CPUs, memoryMiB: i.MemoryMiB, layer: layer, disk: i.Disk, cd: w.ToolsCD, tags: f.Tags, network: network(i.Guest()),
		labels: map[string]string{"purpose": "fleet-instance", "fleet": i.Fleet, "account": i.Key.Account, "region": i.Key.Region},
	})
	if err == nil {
		err = w.launch(ctx, spec, func(string) {})
	}
	if err != nil {
		w.Slots.Release(id)
		return "", err
	}
	var seen domain.Evidence
	err = w.climb(ctx, &Run{Log: k.Log}, id, ladder{
		rungs:   []domain.Rung{{Name: rungHandedOver, Needed: true}, {Name: rungNetwork}, {Name: rungDisplay, Needed: true}},
		display: rungHandedOver, retry: "start the fleet again", dir: w.fleetDir(f.Key), quiet: true,
		load: func(context.Context) (domain.Evidence, error) { return seen, nil },
		edit: func(_ context.Context, change func(*domain.Evidence)) error { change(&seen); return nil },
	})
	if err == nil {
		err = w.instanceGuest(ctx, k, i)
	}
	w.Slots.Release(id) // slots are for booting
	return domain.InstanceUp, err
}

// instanceGuest does in the guest of an instance that has come up what its image
// asks for: the newest guest tool, if it is to have that always, and the reading of
// files that applications will need. Where that cannot be done the instance is as
// its image is: that serves users too.
func (w *World) instanceGuest(ctx context.Context, k *FleetKeeper, i *domain.FleetInstance) error {
	img, err := read[domain.Image](ctx, w.Store, i.Image)
	if fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if img.AgentPolicy == domain.AgentAlways {
		err = w.freshen(ctx, &Run{Log: k.Log}, i.Key.Name, guest.RoleFleet, img.AgentVersion != "", func() error { return nil })
		if err != nil && ctx.Err() == nil {
			k.Log.Warn("an instance keeps the guest tool of its image", "instance", i.Key.Name, "error", err)
		}
	}
	if err := w.prewarm(ctx, i, img); err != nil && ctx.Err() == nil {
		k.Log.Warn("an instance did not read the files of its applications' manifests", "instance", i.Key.Name, "error", err)
	}
	return context.Cause(ctx)
}

// instanceLayer makes what an instance writes into. Images without a disk are
// only where machines are not real: those share an empty layer, since nobody
// writes into it.
func (w *World) instanceLayer(ctx context.Context, i *domain.FleetInstance) (string, error) {
	size := max(i.VolumeGiB<<30, i.DiskBytes)
	if i.Disk == "" {
		return w.Disks.CreateOverlay(ctx, emptyLayer(i.VolumeGiB), disk.Digest{}, size)
	}
	base, err := baseOf(i.Disk)
	if err != nil {
		return "", err
	}
	return w.Disks.CreateOverlay(ctx, i.Key.Name, base, size)
}

// emptyLayer names the layer that instances without a disk share. It stays as
// long as there is a fleet that needs one like it.
func emptyLayer(volumeGiB int64) string { return fmt.Sprintf("fleet-empty-%d", volumeGiB) }

// fleetDir keeps the last screen and serial log of an instance that did not come
// up. It goes with the fleet.
func (w *World) fleetDir(f domain.Key) string {
	return filepath.Join(w.DataDir, fleetDirs, fleetDirName(f))
}

// fleetDirs is below the data directory. Nothing is in it that is not a fleet's.
const fleetDirs = "fleets"

func fleetDirName(f domain.Key) string { return f.Account + "." + f.Region + "." + f.Name }
