package sdk

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"slipway/test/rig"
)

//go:generate go run slipway/tools/genfleetrules -o ../../docs/FLEET-RULES.md

// rule is one thing that holds of fleets, stacks or sessions, in words, and what
// shows it. docs/FLEET-RULES.md is made of the words.
type rule struct {
	name  string
	shows func(w *house)
}

// house is a world with images of several kinds, where each rule finds and
// leaves nothing of its own.
type house struct {
	*world
	subnets [2]string // in different zones
	group   string    // a security group of their VPC
}

// Public images of the house. "imported" beside them is CUSTOM, and a Windows
// Server 2022.
const publicImages = `{"images":[
 {"name":"server2022","platform":"WINDOWS_SERVER_2022","families":["GENERAL_PURPOSE","COMPUTE_OPTIMIZED"]},
 {"name":"server2022b","platform":"WINDOWS_SERVER_2022","families":["GENERAL_PURPOSE","COMPUTE_OPTIMIZED"]},
 {"name":"server2025","platform":"WINDOWS_SERVER_2025"},
 {"name":"linux","platform":"RHEL8"},
 {"name":"g4","platform":"WINDOWS_SERVER_2022","families":["GRAPHICS_G4"]},
 {"name":"unified","platform":"WINDOWS_SERVER_2022","families":["GRAPHICS_G4","GRAPHICS_G5","GRAPHICS_G6"]}
]}`

// imported is the image that the house imports; its disk has 1 GiB, of which
// AWS says 200.
const imported = "imported"

// rules shows all of them on a server of their own.
func rules(t *testing.T, disk string) {
	images := filepath.Join(t.TempDir(), "images.json")
	if err := os.WriteFile(images, []byte(publicImages), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, disk, rig.Start(t, "--compute", "fake", "--fake-boot-time", "20ms", "--public-images", images, "--access-endpoint", "vpce-1=127.0.0.1:0"))
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String(imported) }))
	w.settled(imported)
	h := &house{world: w}
	out, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{})
	w.ok(err)
	h.subnets = [2]string{*out.Subnets[0].SubnetId, *out.Subnets[1].SubnetId}
	groups, err := w.ec2.DescribeSecurityGroups(w.ctx, &ec2.DescribeSecurityGroupsInput{})
	w.ok(err)
	h.group = *groups.SecurityGroups[0].GroupId
	for _, list := range [][]rule{
		newFleetRules, fleetValueRules, elasticFleetRules, fleetImageRules, stoppedFleetRules, runningFleetRules, fleetLifeRules, fleetTroubleRules,
		stackRules, stackSettingRules, streamingURLRules, sessionRules, severalSessionRules,
	} {
		for _, r := range list {
			t.Run(strings.ReplaceAll(r.name, " ", "_"), func(t *testing.T) {
				own := *h
				own.world = w.at(t)
				r.shows(&own)
			})
		}
	}
}

// refused is a rule about a request that is not taken: the exception and what
// it says.
func (w *house) refuses(err error, is check, words ...string) {
	w.t.Helper()
	w.refused([]refusal{{"the request", err, is, words}})
}

var (
	badValue       check = coded("InvalidParameterValueException")
	badConstraint  check = coded("ValidationException")
	badCombination check = isA[*types.InvalidParameterCombinationException]
	notFound       check = isA[*types.ResourceNotFoundException]
	notAvailable   check = isA[*types.ResourceNotAvailableException]
	notPermitted   check = isA[*types.OperationNotPermittedException]
	inUse          check = isA[*types.ResourceInUseException]
	incompatible   check = isA[*types.IncompatibleImageException]
	badRole        check = isA[*types.InvalidRoleException]
	overLimit      check = isA[*types.LimitExceededException]
)

type fleetInput = appstream.CreateFleetInput

// newFleet makes the fleet "f", of one machine of the imported image unless
// change says otherwise, and removes it when the rule is shown.
func (w *house) newFleet(change func(in *fleetInput)) (*types.Fleet, error) {
	in := &fleetInput{Name: aws.String("f"), ImageName: aws.String(imported), InstanceType: aws.String("GeneralPurpose.m7i.large"), ComputeCapacity: one()}
	if change != nil {
		change(in)
	}
	out, err := w.app.CreateFleet(w.ctx, in, once)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { w.gone(*in.Name) })
	return out.Fleet, nil
}

// gone removes a fleet in whatever state it is, and lets its stacks go.
func (w *house) gone(fleet string) {
	ctx, cancel := w.late()
	defer cancel()
	stacks, err := w.app.ListAssociatedStacks(ctx, &appstream.ListAssociatedStacksInput{FleetName: &fleet})
	if err != nil {
		return // deleted by the rule itself
	}
	_, err = w.app.StopFleet(ctx, &appstream.StopFleetInput{Name: &fleet})
	w.ok(err)
	w.until("the fleet is stopped", func() (bool, error) {
		out, err := w.app.DescribeFleets(ctx, &appstream.DescribeFleetsInput{Names: []string{fleet}})
		return err == nil && out.Fleets[0].State == types.FleetStateStopped, err
	})
	for _, s := range stacks.Names {
		_, err = w.app.DisassociateFleet(ctx, &appstream.DisassociateFleetInput{FleetName: &fleet, StackName: &s})
		w.ok(err)
	}
	_, err = w.app.DeleteFleet(ctx, &appstream.DeleteFleetInput{Name: &fleet})
	w.ok(err)
}

// once does not ask again: SDKs take a limit for a reason to.
func once(o *appstream.Options) { o.RetryMaxAttempts = 1 }

func one() *types.ComputeCapacity { return &types.ComputeCapacity{DesiredInstances: aws.Int32(1)} }

// takesFleet is a rule about a fleet that is made, and what it then says.
func takesFleet(change func(in *fleetInput), says func(f *types.Fleet) bool) func(w *house) {
	return func(w *house) {
		f, err := w.newFleet(change)
		w.ok(err)
		if seen := w.fleet("f"); !says(f) || !says(seen) {
			w.t.Errorf("created: %+v\nseen: %+v", f, seen)
		}
	}
}

func refusesFleet(change func(in *fleetInput), is check, words ...string) func(w *house) {
	return func(w *house) {
		w.t.Helper()
		_, err := w.newFleet(change)
		w.refuses(err, is, words...)
	}
}

func (w *house) fleet(name string) *types.Fleet {
	w.t.Helper()
	out, err := w.app.DescribeFleets(w.ctx, &appstream.DescribeFleetsInput{Names: []string{name}})
	w.ok(err)
	return &out.Fleets[0]
}

// started makes a fleet and brings it up.
func (w *house) started(change func(in *fleetInput)) {
	w.t.Helper()
	_, err := w.newFleet(change)
	w.ok(err)
	w.start()
}

func (w *house) start() {
	w.t.Helper()
	_, err := w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: aws.String("f")})
	w.ok(err)
	w.is("RUNNING", func(f *types.Fleet) bool { return f.State == types.FleetStateRunning })
}

// is waits until the fleet is as it should be.
func (w *house) is(what string, yes func(f *types.Fleet) bool) {
	w.t.Helper()
	w.until("the fleet is "+what, func() (bool, error) { return yes(w.fleet("f")), nil })
}

func (w *house) update(change func(in *appstream.UpdateFleetInput)) (*types.Fleet, error) {
	in := &appstream.UpdateFleetInput{Name: aws.String("f")}
	change(in)
	out, err := w.app.UpdateFleet(w.ctx, in, once)
	if err != nil {
		return nil, err
	}
	return out.Fleet, nil
}

// newStack makes the stack "s" and removes it when the rule is shown.
func (w *house) newStack(change func(in *appstream.CreateStackInput)) (*types.Stack, error) {
	in := &appstream.CreateStackInput{Name: aws.String("s")}
	if change != nil {
		change(in)
	}
	out, err := w.app.CreateStack(w.ctx, in)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() {
		ctx, cancel := w.late()
		defer cancel()
		_, err := w.app.DeleteStack(ctx, &appstream.DeleteStackInput{Name: in.Name})
		if notFound(err) != nil {
			w.ok(err)
		}
	})
	return out.Stack, nil
}

// served is a fleet that runs and the stack "s" in front of it.
func (w *house) served(fleet func(in *fleetInput), stack func(in *appstream.CreateStackInput)) {
	w.t.Helper()
	_, err := w.newStack(stack) // first: what was made last is removed first
	w.ok(err)
	w.started(fleet)
	w.associated()
}

func (w *house) associated() {
	w.t.Helper()
	_, err := w.app.AssociateFleet(w.ctx, &appstream.AssociateFleetInput{FleetName: aws.String("f"), StackName: aws.String("s")})
	w.ok(err)
}

// late is for what is done when a rule has been shown.
func (w *house) late() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}
