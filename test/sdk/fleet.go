package sdk

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

// fleets takes a fleet up and down as the SDK's waiters watch it, with a user's
// session in between.
func (w *world) fleets() {
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("for-fleets") }))
	w.settled("for-fleets")
	name := aws.String("f")
	out, err := w.app.CreateFleet(w.ctx, &appstream.CreateFleetInput{
		Name: name, ImageName: aws.String("for-fleets"), InstanceType: aws.String("GeneralPurpose.m7i.large"), DomainJoinInfo: &types.DomainJoinInfo{},
		ComputeCapacity: &types.ComputeCapacity{DesiredInstances: aws.Int32(2)}, IdleDisconnectTimeoutInSeconds: aws.Int32(70),
	})
	w.ok(err)
	f := out.Fleet
	if f.State != types.FleetStateStopped || f.FleetType != types.FleetTypeAlwaysOn || f.StreamView != types.StreamViewApp || *f.MaxUserDurationInSeconds != 57600 ||
		*f.DisconnectTimeoutInSeconds != 900 || *f.IdleDisconnectTimeoutInSeconds != 70 || *f.EnableDefaultInternetAccess || f.RootVolumeConfig != nil {
		w.t.Errorf("created: %+v", f)
	}
	stack, err := w.app.CreateStack(w.ctx, &appstream.CreateStackInput{Name: aws.String("s")})
	w.ok(err)
	if len(stack.Stack.UserSettings) != 7 || *stack.Stack.ApplicationSettings.Enabled || stack.Stack.ApplicationSettings.SettingsGroup != nil {
		w.t.Errorf("created: %+v", stack.Stack)
	}
	_, err = w.app.AssociateFleet(w.ctx, &appstream.AssociateFleetInput{FleetName: name, StackName: aws.String("s")})
	w.ok(err)
	_, err = w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: name})
	w.ok(err)
	described := &appstream.DescribeFleetsInput{Names: []string{"f"}}
	w.ok(appstream.NewFleetStartedWaiter(w.app).Wait(w.ctx, described, time.Minute, func(o *appstream.FleetStartedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 50*time.Millisecond
	}))
	if c := w.capacity(); *c.Desired != 2 || *c.Running != 2 || *c.Available != 2 || *c.InUse != 0 {
		w.t.Errorf("capacity %+v", c)
	}
	w.oneSession()
	_, err = w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: name})
	w.ok(err)
	w.ok(appstream.NewFleetStoppedWaiter(w.app).Wait(w.ctx, described, time.Minute, func(o *appstream.FleetStoppedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 50*time.Millisecond
	}))
	_, err = w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: name})
	w.refused([]refusal{{"a fleet with a stack", err, isA[*types.ResourceInUseException], []string{"must dissociate"}}})
	_, err = w.app.DisassociateFleet(w.ctx, &appstream.DisassociateFleetInput{FleetName: name, StackName: aws.String("s")})
	w.ok(err)
	_, err = w.app.DeleteFleet(w.ctx, &appstream.DeleteFleetInput{Name: name})
	w.ok(err)
	_, err = w.app.DeleteStack(w.ctx, &appstream.DeleteStackInput{Name: aws.String("s")})
	w.ok(err)
	w.remove("for-fleets")
}

func (w *world) capacity() *types.ComputeCapacityStatus {
	out, err := w.app.DescribeFleets(w.ctx, &appstream.DescribeFleetsInput{Names: []string{"f"}})
	w.ok(err)
	return out.Fleets[0].ComputeCapacityStatus
}

// oneSession lets a user in and out; the instance is replaced.
func (w *world) oneSession() {
	url, err := w.app.CreateStreamingURL(w.ctx, &appstream.CreateStreamingURLInput{StackName: aws.String("s"), FleetName: aws.String("f"), UserId: aws.String("user")})
	w.ok(err)
	res, err := http.Get(*url.StreamingURL)
	w.ok(err)
	res.Body.Close()
	sessions := &appstream.DescribeSessionsInput{StackName: aws.String("s"), FleetName: aws.String("f")}
	out, err := w.app.DescribeSessions(w.ctx, sessions)
	w.ok(err)
	if res.StatusCode == http.StatusNotImplemented { // built without pages
		return
	}
	if len(out.Sessions) != 1 || out.Sessions[0].State != types.SessionStateActive || *out.Sessions[0].UserId != "user" {
		w.t.Fatalf("%s: sessions: %+v", res.Status, out.Sessions)
	}
	before := *out.Sessions[0].InstanceId
	_, err = w.app.ExpireSession(w.ctx, &appstream.ExpireSessionInput{SessionId: out.Sessions[0].Id})
	w.ok(err)
	w.until("the instance is replaced", func() (bool, error) {
		c := w.capacity()
		return *c.Running == 2 && *c.InUse == 0 && *c.Available == 2, nil
	})
	w.t.Logf("instance %s was replaced", before)
}
