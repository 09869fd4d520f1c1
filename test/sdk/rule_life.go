package sdk

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

var fleetName = aws.String("f")

// stuck is a fleet that starts and does not come up, because of what it was told
// about its network.
func (w *house) stuck(network *types.VpcConfig) {
	w.t.Helper()
	_, err := w.newFleet(func(in *fleetInput) { in.VpcConfig = network })
	w.ok(err)
	_, err = w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: fleetName})
	w.ok(err)
}

func nowhere() *types.VpcConfig {
	return &types.VpcConfig{SubnetIds: []string{"subnet-0123456789abcdef0"}}
}

func (w *house) waitsFor(state types.FleetState) {
	w.t.Helper()
	in := &appstream.DescribeFleetsInput{Names: []string{"f"}}
	var err error
	if state == types.FleetStateRunning {
		err = appstream.NewFleetStartedWaiter(w.app).Wait(w.ctx, in, limit, func(o *appstream.FleetStartedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
		})
	} else {
		err = appstream.NewFleetStoppedWaiter(w.app).Wait(w.ctx, in, limit, func(o *appstream.FleetStoppedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
		})
	}
	w.ok(err)
}

var fleetLifeRules = []rule{
	{"a waiter sees a fleet start and stop, and start again", func(w *house) {
		_, err := w.newFleet(nil)
		w.ok(err)
		for range 2 {
			_, err = w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: fleetName})
			w.ok(err)
			w.waitsFor(types.FleetStateRunning)
			_, err = w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: fleetName})
			w.ok(err)
			w.waitsFor(types.FleetStateStopped)
		}
	}},
	{"a start of a running fleet changes nothing", func(w *house) {
		w.started(nil)
		_, err := w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: fleetName})
		w.ok(err)
		if f := w.fleet("f"); f.State != types.FleetStateRunning {
			w.t.Errorf("it is %s", f.State)
		}
	}},
	{"a stop of a stopped fleet succeeds", func(w *house) {
		_, err := w.newFleet(nil)
		w.ok(err)
		_, err = w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: fleetName})
		w.ok(err)
		if f := w.fleet("f"); f.State != types.FleetStateStopped {
			w.t.Errorf("it is %s", f.State)
		}
	}},
	{"a start and a stop are of a fleet that is there", func(w *house) {
		_, start := w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: fleetName})
		w.refuses(start, notFound, "The fleet f")
		_, stop := w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: fleetName})
		w.refuses(stop, notFound, "The fleet f")
	}},
	{"a fleet that never started can be deleted", func(w *house) {
		_, err := w.newFleet(nil)
		w.ok(err)
		_, err = w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: fleetName})
		w.ok(err)
		_, err = w.app.DescribeFleets(w.ctx, &appstream.DescribeFleetsInput{Names: []string{"f"}})
		w.refuses(err, notFound, "The fleet f")
	}},
	{"a running fleet cannot be deleted", func(w *house) {
		w.started(nil)
		_, err := w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: fleetName})
		w.refuses(err, inUse, "must be STOPPED")
	}},
	{"a fleet with a stack cannot be deleted", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		w.associated()
		_, err = w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: fleetName})
		w.refuses(err, inUse, "The fleet f is associated with a stack. To delete the fleet, you must dissociate it from the stack.")
	}},
	{"a fleet starts without the role of the service", func(w *house) { w.started(nil) }},
	{"an always-on fleet has its machines running", func(w *house) {
		w.started(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(2) })
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(2), Running: aws.Int32(2), InUse: aws.Int32(0), Available: aws.Int32(2)})
	}},
	{"an on-demand fleet has its machines prepared and available", func(w *house) {
		w.started(func(in *fleetInput) { in.FleetType = types.FleetTypeOnDemand })
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(1), Running: aws.Int32(0), InUse: aws.Int32(0), Available: aws.Int32(1)})
	}},
	{"a stopped fleet has no machines and says what it wants", func(w *house) {
		_, err := w.newFleet(nil)
		w.ok(err)
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(1), Running: aws.Int32(0), InUse: aws.Int32(0), Available: aws.Int32(0)})
	}},
	{"a fleet made larger gets machines, and one made smaller lets them go", func(w *house) {
		w.started(nil)
		for _, n := range []int32{3, 1} {
			_, err := w.update(func(in *updateInput) { in.ComputeCapacity = &types.ComputeCapacity{DesiredInstances: &n} })
			w.ok(err)
			w.has(types.ComputeCapacityStatus{Desired: &n, Running: &n, InUse: aws.Int32(0), Available: &n})
		}
	}},
	{"a running fleet is made larger within the quota alone", func(w *house) {
		w.started(nil)
		_, err := w.update(func(in *updateInput) { in.ComputeCapacity = &types.ComputeCapacity{DesiredInstances: aws.Int32(51)} })
		w.refuses(err, overLimit, "capacity limit for fleet f' was exceeded")
	}},
	{"a fleet with graphics starts where machines are not real", func(w *house) { w.started(on("g4", "stream.graphics.g4dn.xlarge")) }},
}

// has waits until the fleet counts its machines like that.
func (w *house) has(want types.ComputeCapacityStatus) {
	w.t.Helper()
	w.is("as large as it should be", func(f *types.Fleet) bool {
		c := f.ComputeCapacityStatus
		return *c.Desired == *want.Desired && *c.Running == *want.Running && *c.InUse == *want.InUse && *c.Available == *want.Available
	})
}

// troubled waits for what a fleet says is wrong with it.
func (w *house) troubled(code types.FleetErrorCode) {
	w.t.Helper()
	w.is("telling "+string(code), func(f *types.Fleet) bool { return len(f.FleetErrors) == 1 && f.FleetErrors[0].ErrorCode == code })
}

var fleetTroubleRules = []rule{
	{"a subnet that is not there is told by the fleet, which goes on starting", func(w *house) {
		w.stuck(nowhere())
		w.troubled(types.FleetErrorCodeSubnetNotFound)
		if f := w.fleet("f"); f.State != types.FleetStateStarting {
			w.t.Errorf("it is %s", f.State)
		}
	}},
	{"a security group that is not there is told by the fleet", func(w *house) {
		w.stuck(&types.VpcConfig{SubnetIds: w.subnets[:1], SecurityGroupIds: []string{"sg-0123456789abcdef0"}})
		w.troubled(types.FleetErrorCodeSecurityGroupsNotFound)
	}},
	{"a starting fleet takes no update", func(w *house) {
		w.stuck(nowhere())
		_, err := w.update(func(in *updateInput) { in.DisplayName = aws.String("F") })
		w.refuses(err, notPermitted, "The fleet f is STARTING")
	}},
	{"a starting fleet can be stopped", func(w *house) {
		w.stuck(nowhere())
		_, err := w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: fleetName})
		w.ok(err)
		w.waitsFor(types.FleetStateStopped)
		if f := w.fleet("f"); len(f.FleetErrors) != 0 {
			w.t.Errorf("it still says %v", f.FleetErrors)
		}
	}},
	{"a starting fleet cannot be deleted", func(w *house) {
		w.stuck(nowhere())
		_, err := w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: fleetName})
		w.refuses(err, inUse, "STARTING")
	}},
	{"an address of a fleet that does not run is not made", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		w.stuck(nowhere())
		w.associated()
		_, err = w.address(nil)
		w.refuses(err, notAvailable, "The fleet f is STARTING")
	}},
}
