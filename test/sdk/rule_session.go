package sdk

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

type urlInput = appstream.CreateStreamingURLInput

// address asks for a streaming address of user "user" on stack and fleet.
func (w *house) address(change func(in *urlInput)) (string, error) {
	in := &urlInput{StackName: aws.String("s"), FleetName: aws.String("f"), UserId: aws.String("user")}
	if change != nil {
		change(in)
	}
	out, err := w.app.CreateStreamingURL(w.ctx, in)
	if err != nil {
		return "", err
	}
	return *out.StreamingURL, nil
}

func by(user string) func(in *urlInput) { return func(in *urlInput) { in.UserId = &user } }

// opens has a user open an address, and returns how that was answered.
func (w *house) opens(user string) int {
	w.t.Helper()
	u, err := w.address(by(user))
	w.ok(err)
	res, err := http.Get(u)
	w.ok(err)
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotImplemented {
		w.t.Fatal("the server was built without its pages: run `make web`")
	}
	return res.StatusCode
}

func (w *house) enter(users ...string) {
	w.t.Helper()
	for _, u := range users {
		if n := w.opens(u); n != http.StatusOK {
			w.t.Fatalf("%s was answered %d", u, n)
		}
	}
}

func (w *house) sessions(change func(in *appstream.DescribeSessionsInput)) []types.Session {
	w.t.Helper()
	in := &appstream.DescribeSessionsInput{StackName: aws.String("s"), FleetName: aws.String("f")}
	if change != nil {
		change(in)
	}
	out, err := w.app.DescribeSessions(w.ctx, in)
	w.ok(err)
	return out.Sessions
}

// of is the session of a user.
func (w *house) of(user string) types.Session {
	w.t.Helper()
	list := w.sessions(func(in *appstream.DescribeSessionsInput) {
		in.UserId, in.AuthenticationType = &user, types.AuthenticationTypeApi
	})
	if len(list) != 1 {
		w.t.Fatalf("%s has %d sessions", user, len(list))
	}
	return list[0]
}

// interfaceForm is how AWS writes the id of a network interface.
var interfaceForm = regexp.MustCompile(`^eni-[0-9a-f]{17}$`)

// blocks are the house's subnets as they are now.
func (w *house) blocks() (out []ec2types.Subnet) {
	w.t.Helper()
	for _, id := range w.subnets {
		list, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
		w.ok(err)
		out = append(out, list.Subnets...)
	}
	return out
}

// subnetOf is the subnet of the house that has a machine's address, "" for none.
func (w *house) subnetOf(n *types.NetworkAccessConfiguration) string {
	w.t.Helper()
	if n == nil {
		return ""
	}
	a, err := netip.ParseAddr(aws.ToString(n.EniPrivateIpAddress))
	w.ok(err)
	for _, s := range w.blocks() {
		if netip.MustParsePrefix(*s.CidrBlock).Contains(a) {
			return *s.SubnetId
		}
	}
	return ""
}

// free is how many addresses each subnet of the house has left.
func (w *house) free() (out []int32) {
	for _, s := range w.blocks() {
		out = append(out, *s.AvailableIpAddressCount)
	}
	return out
}

// refusesURL is a rule about an address that is asked for with a fleet that runs.
func refusesURL(change func(in *urlInput), is check, words ...string) func(w *house) {
	return func(w *house) {
		w.served(nil, nil)
		_, err := w.address(change)
		w.refuses(err, is, words...)
	}
}

var streamingURLRules = []rule{
	{"an address expires after a minute unless said otherwise", func(w *house) {
		w.served(nil, nil)
		out, err := w.app.CreateStreamingURL(w.ctx, &urlInput{StackName: aws.String("s"), FleetName: fleetName, UserId: aws.String("user")})
		w.ok(err)
		if left := time.Until(*out.Expires); left > time.Minute || left < 0 {
			w.t.Errorf("it has %s", left)
		}
	}},
	{"an address may be good for a week", func(w *house) {
		w.served(nil, nil)
		_, err := w.address(func(in *urlInput) { in.Validity = aws.Int64(604800) })
		w.ok(err)
	}},
	{"an address is good for a week at most", refusesURL(func(in *urlInput) { in.Validity = aws.Int64(604801) }, badValue, "from 1 to 604800")},
	{"an address is good for a second at least", refusesURL(func(in *urlInput) { in.Validity = aws.Int64(0) }, badValue, "from 1 to 604800")},
	{"an address is of a stack that is there", refusesURL(func(in *urlInput) { in.StackName = aws.String("none") }, notFound, "The stack none")},
	{"an address is of a fleet that is there", refusesURL(func(in *urlInput) { in.FleetName = aws.String("none") }, notFound, "The fleet none")},
	{"an address is of a stack that has the fleet", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		w.started(nil)
		_, err = w.address(nil)
		w.refuses(err, notPermitted, "not associated")
	}},
	{"an address is of a fleet that runs", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		w.associated()
		_, err = w.address(nil)
		w.refuses(err, notAvailable, "The fleet f is STOPPED. The fleet must be RUNNING")
	}},
	{"a user has a name of two letters at least", refusesURL(by("u"), badConstraint, "userId")},
	{"a user has a name of 32 letters at most", refusesURL(by(strings.Repeat("u", 33)), badConstraint, "userId")},
	{"the name of a user has no spaces", refusesURL(by("two words"), badConstraint, "userId")},
	{"an application is one of the image", refusesURL(func(in *urlInput) { in.ApplicationId = aws.String("paint") }, notFound, "paint")},
	{"the desktop is opened where it is shown", func(w *house) {
		w.served(func(in *fleetInput) { in.StreamView = types.StreamViewDesktop }, nil)
		_, err := w.address(func(in *urlInput) { in.ApplicationId = aws.String("Desktop") })
		w.ok(err)
	}},
	{"the desktop is not opened where applications are shown", refusesURL(func(in *urlInput) { in.ApplicationId = aws.String("Desktop") }, badCombination, "DESKTOP")},
	{"an address is made by whoever may use both stack and fleet", func(w *house) {
		w.served(nil, nil)
		for i, c := range []struct {
			resources string
			may       bool
		}{{`"arn:aws:appstream:*:*:fleet/f"`, false}, {`"arn:aws:appstream:*:*:stack/s"`, false}, {`"arn:aws:appstream:*:*:fleet/f","arn:aws:appstream:*:*:stack/s"`, true}} {
			_, err := w.caller(fmt.Sprintf("caller%d", i), c.resources).CreateStreamingURL(w.ctx, &urlInput{StackName: aws.String("s"), FleetName: fleetName, UserId: aws.String("user")})
			if c.may {
				w.ok(err)
			} else {
				w.refuses(err, coded("AccessDeniedException"), "is not authorized to perform: appstream:CreateStreamingURL")
			}
		}
	}},
	{"an address of a stack with access endpoints is at one of them", func(w *house) {
		w.served(nil, full)
		u, err := w.address(nil)
		w.ok(err)
		w.ok(w.throughEndpoint(u))
	}},
	{"an address of a stack whose access endpoints are not here is not made", func(w *house) {
		w.served(nil, func(in *stackInput) {
			in.AccessEndpoints = []types.AccessEndpoint{{EndpointType: types.AccessEndpointTypeStreaming, VpceId: aws.String("vpce-9")}}
		})
		_, err := w.address(nil)
		w.refuses(err, notPermitted, "vpce-9", "--access-endpoint")
	}},
}

// caller is a user of the account who may make addresses for some resources.
func (w *house) caller(name, resources string) *appstream.Client {
	_, err := w.iam.CreateUser(w.ctx, &iam.CreateUserInput{UserName: &name})
	w.ok(err)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"appstream:CreateStreamingURL","Resource":[` + resources + `]}]}`
	_, err = w.iam.PutUserPolicy(w.ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
	w.ok(err)
	key, err := w.iam.CreateAccessKey(w.ctx, &iam.CreateAccessKeyInput{UserName: &name})
	w.ok(err)
	cfg := w.cfg.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	return appstream.NewFromConfig(cfg)
}

var sessionRules = []rule{
	{"an address takes no machine before it is opened", func(w *house) {
		w.served(nil, nil)
		_, err := w.address(nil)
		w.ok(err)
		if n := len(w.sessions(nil)); n != 0 {
			w.t.Errorf("%d sessions", n)
		}
	}},
	{"a session is active as soon as its machine is up", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		x := w.of("user")
		if x.State != types.SessionStateActive || x.ConnectionState != types.SessionConnectionStateNotConnected || *x.StackName != "s" || *x.FleetName != "f" || x.AuthenticationType != types.AuthenticationTypeApi {
			w.t.Errorf("%+v", x)
		}
	}},
	{"a session on demand waits for its machine", func(w *house) {
		w.served(func(in *fleetInput) { in.FleetType = types.FleetTypeOnDemand }, nil)
		w.enter("user")
		w.until("the session is active", func() (bool, error) {
			s := w.of("user").State
			if s != types.SessionStatePending && s != types.SessionStateActive {
				w.t.Fatalf("it is %s", s)
			}
			return s == types.SessionStateActive, nil
		})
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(1), Running: aws.Int32(1), InUse: aws.Int32(1), Available: aws.Int32(0)})
	}},
	{"a session ends at the latest after the duration of its fleet", func(w *house) {
		w.served(func(in *fleetInput) { in.MaxUserDurationInSeconds = aws.Int32(600) }, nil)
		w.enter("user")
		if x := w.of("user"); x.MaxExpirationTime.Sub(*x.StartTime) != 10*time.Minute || near(x.StartTime) != nil {
			w.t.Errorf("from %s to %s", x.StartTime, x.MaxExpirationTime)
		}
	}},
	{"a user who comes again has the session that is there", func(w *house) {
		w.served(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(2) }, nil)
		w.enter("user")
		before := w.of("user")
		w.enter("user")
		if after := w.of("user"); *after.Id != *before.Id || *after.InstanceId != *before.InstanceId {
			w.t.Errorf("%s on %s, then %s on %s", *before.Id, *before.InstanceId, *after.Id, *after.InstanceId)
		}
	}},
	{"a session tells the interface of its machine, which is in a subnet of the fleet", func(w *house) {
		w.served(func(in *fleetInput) {
			in.VpcConfig = &types.VpcConfig{SubnetIds: w.subnets[:1], SecurityGroupIds: []string{w.group}}
		}, nil)
		w.enter("user")
		if n := w.of("user").NetworkAccessConfiguration; w.subnetOf(n) != w.subnets[0] || !interfaceForm.MatchString(aws.ToString(n.EniId)) {
			w.t.Errorf("%+v", n)
		}
	}},
	{"machines of a fleet in two zones are in both", func(w *house) {
		before := w.free()
		w.served(func(in *fleetInput) {
			in.VpcConfig, in.ComputeCapacity.DesiredInstances = &types.VpcConfig{SubnetIds: w.subnets[:]}, aws.Int32(2)
		}, nil)
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(2), Running: aws.Int32(2), InUse: aws.Int32(0), Available: aws.Int32(2)})
		w.enter("ann", "bob")
		a, b := w.subnetOf(w.of("ann").NetworkAccessConfiguration), w.subnetOf(w.of("bob").NetworkAccessConfiguration)
		if a == "" || b == "" || a == b {
			w.t.Errorf("they are in %s and %s", a, b)
		}
		if after := w.free(); after[0] != before[0]-1 || after[1] != before[1]-1 {
			w.t.Errorf("free addresses: %v, then %v", before, after)
		}
	}},
	{"two users have two machines, and a third has none", func(w *house) {
		w.served(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(2) }, nil)
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(2), Running: aws.Int32(2), InUse: aws.Int32(0), Available: aws.Int32(2)})
		w.enter("ann", "bob")
		if *w.of("ann").InstanceId == *w.of("bob").InstanceId {
			w.t.Error("they share a machine")
		}
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(2), Running: aws.Int32(2), InUse: aws.Int32(2), Available: aws.Int32(0)})
		if n := w.opens("eve"); n != http.StatusServiceUnavailable {
			w.t.Errorf("a third user was answered %d", n)
		}
	}},
	{"a machine that had a user is replaced", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		x := w.of("user")
		_, err := w.app.ExpireSession(w.ctx, &appstream.ExpireSessionInput{SessionId: x.Id})
		w.ok(err)
		w.until("there is another machine", func() (bool, error) { return w.opens("next") == http.StatusOK, nil })
		if after := w.of("next"); *after.InstanceId == *x.InstanceId {
			w.t.Error("the next user has the machine of the one before")
		}
	}},
	{"a session that was expired is told for a while", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		_, err := w.app.ExpireSession(w.ctx, &appstream.ExpireSessionInput{SessionId: w.of("user").Id})
		w.ok(err)
		if x := w.of("user"); x.State != types.SessionStateExpired || x.ConnectionState != types.SessionConnectionStateNotConnected {
			w.t.Errorf("%+v", x)
		}
	}},
	{"a session that is not there is expired without a word", func(w *house) {
		_, err := w.app.ExpireSession(w.ctx, &appstream.ExpireSessionInput{SessionId: aws.String("none")})
		w.ok(err)
	}},
	{"sessions are asked for by stack and fleet", func(w *house) {
		_, err := w.app.DescribeSessions(w.ctx, &appstream.DescribeSessionsInput{StackName: aws.String("s")}, unchecked)
		w.refuses(err, badConstraint, "fleetName")
		_, err = w.app.DescribeSessions(w.ctx, &appstream.DescribeSessionsInput{FleetName: fleetName}, unchecked)
		w.refuses(err, badConstraint, "stackName")
	}},
	{"sessions are those of streaming addresses unless said otherwise", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		saml := w.sessions(func(in *appstream.DescribeSessionsInput) { in.AuthenticationType = types.AuthenticationTypeSaml })
		if len(w.sessions(nil)) != 1 || len(saml) != 0 {
			w.t.Errorf("%d others", len(saml))
		}
	}},
	{"a user is asked for together with an authentication", func(w *house) {
		w.served(nil, nil)
		_, err := w.app.DescribeSessions(w.ctx, &appstream.DescribeSessionsInput{StackName: aws.String("s"), FleetName: fleetName, UserId: aws.String("user")})
		w.refuses(err, badCombination, "AuthenticationType")
	}},
	{"a page of sessions has fifty at most", func(w *house) {
		w.served(nil, nil)
		for _, n := range []int32{0, 51} {
			_, err := w.app.DescribeSessions(w.ctx, &appstream.DescribeSessionsInput{StackName: aws.String("s"), FleetName: fleetName, Limit: &n})
			w.refuses(err, badValue, "from 1 to 50")
		}
	}},
	{"sessions come in pages", func(w *house) {
		w.served(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(2) }, nil)
		w.has(types.ComputeCapacityStatus{Desired: aws.Int32(2), Running: aws.Int32(2), InUse: aws.Int32(0), Available: aws.Int32(2)})
		w.enter("ann", "bob")
		in, seen := &appstream.DescribeSessionsInput{StackName: aws.String("s"), FleetName: fleetName, Limit: aws.Int32(1)}, map[string]bool{}
		for more := true; more; more = in.NextToken != nil {
			out, err := w.app.DescribeSessions(w.ctx, in)
			w.ok(err)
			if len(out.Sessions) != 1 {
				w.t.Errorf("%d on a page", len(out.Sessions))
			}
			for _, x := range out.Sessions {
				seen[*x.UserId] = true
			}
			in.NextToken = out.NextToken
		}
		if len(seen) != 2 {
			w.t.Errorf("%v", seen)
		}
	}},
	{"a machine with one session is not drained", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		x := w.of("user")
		_, err := w.app.DrainSessionInstance(w.ctx, &appstream.DrainSessionInstanceInput{SessionId: x.Id})
		w.refuses(err, notPermitted, "one session per instance")
		if x.InstanceDrainStatus != types.InstanceDrainStatusNotApplicable {
			w.t.Errorf("it is %s", x.InstanceDrainStatus)
		}
	}},
	{"a fleet with a session is not taken away from its stack", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		_, err := w.app.DisassociateFleet(w.ctx, &appstream.DisassociateFleetInput{FleetName: fleetName, StackName: aws.String("s")})
		w.refuses(err, inUse, "user user has a session")
	}},
	{"sessions end with their fleet", func(w *house) {
		w.served(nil, nil)
		w.enter("user")
		_, err := w.app.StopFleet(w.ctx, &appstream.StopFleetInput{Name: fleetName})
		w.ok(err)
		w.waitsFor(types.FleetStateStopped)
		if x := w.of("user"); x.State != types.SessionStateExpired {
			w.t.Errorf("it is %s", x.State)
		}
	}},
	{"a session goes on when the image of its fleet changes", func(w *house) {
		w.served(on("server2022", "stream.standard.medium"), nil)
		w.enter("user")
		before := w.of("user")
		_, err := w.update(func(in *updateInput) { in.ImageName = aws.String("server2022b") })
		w.ok(err)
		if x := w.of("user"); x.State != types.SessionStateActive || *x.InstanceId != *before.InstanceId {
			w.t.Errorf("%+v", x)
		}
	}},
}

// room waits until there is so much room for sessions.
func (w *house) room(actual, active, draining int32) {
	w.t.Helper()
	w.is("counting its sessions", func(f *types.Fleet) bool {
		c := f.ComputeCapacityStatus
		return *c.ActualUserSessions == actual && *c.ActiveUserSessions == active && *c.AvailableUserSessions == actual-active && *c.DesiredUserSessions == actual && *c.Draining == draining
	})
}

var severalSessionRules = []rule{
	{"users fill one machine before another", func(w *house) {
		w.served(several("server2022"), nil)
		w.room(4, 0, 0)
		w.enter("ann", "bob", "eve")
		a, b, c := w.of("ann"), w.of("bob"), w.of("eve")
		if *a.InstanceId != *b.InstanceId || *a.InstanceId == *c.InstanceId || a.InstanceDrainStatus != types.InstanceDrainStatusActive {
			w.t.Errorf("%s %s %s", *a.InstanceId, *b.InstanceId, *c.InstanceId)
		}
		w.room(4, 3, 0)
	}},
	{"a draining machine gets nobody and keeps whom it has", func(w *house) {
		w.served(several("server2022"), nil)
		w.room(4, 0, 0)
		w.enter("ann")
		x := w.of("ann")
		_, err := w.app.DrainSessionInstance(w.ctx, &appstream.DrainSessionInstanceInput{SessionId: x.Id})
		w.ok(err)
		if after := w.of("ann"); after.InstanceDrainStatus != types.InstanceDrainStatusDraining || after.State != types.SessionStateActive {
			w.t.Errorf("%+v", after)
		}
		w.enter("bob")
		if *w.of("bob").InstanceId == *x.InstanceId {
			w.t.Error("it got somebody")
		}
	}},
	{"a draining machine is counted apart", func(w *house) {
		w.served(several("server2022"), nil)
		w.room(4, 0, 0)
		w.enter("ann")
		_, err := w.app.DrainSessionInstance(w.ctx, &appstream.DrainSessionInstanceInput{SessionId: w.of("ann").Id})
		w.ok(err)
		w.is("counting the machine that drains", func(f *types.Fleet) bool {
			c := f.ComputeCapacityStatus
			return *c.Draining == 1 && *c.DrainModeActiveUserSessions == 1 && *c.DrainModeUnusedUserSessions == 1 && *c.Desired == 2
		})
	}},
	{"a draining machine is replaced when its last session ends", func(w *house) {
		w.served(several("server2022"), nil)
		w.room(4, 0, 0)
		w.enter("ann")
		x := w.of("ann")
		_, err := w.app.DrainSessionInstance(w.ctx, &appstream.DrainSessionInstanceInput{SessionId: x.Id})
		w.ok(err)
		_, err = w.app.ExpireSession(w.ctx, &appstream.ExpireSessionInput{SessionId: x.Id})
		w.ok(err)
		w.room(4, 0, 0)
	}},
	{"a drain is of a session that is there", func(w *house) {
		_, err := w.app.DrainSessionInstance(w.ctx, &appstream.DrainSessionInstanceInput{SessionId: aws.String("none")})
		w.refuses(err, notFound, "none")
	}},
}
