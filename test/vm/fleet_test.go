package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/test/rig"
)

const metaData = "169.254.169.254/latest/meta-data/"

// TestTwoUsers: two people in two browsers stream from one fleet at once and see
// different guests. One disconnects and comes back to the same; the server is
// killed under both and they go on; one ends the session, the other's is ended.
// No guest is told what another is, or reaches it. All the while the fleet's
// numbers are held against the machines there are. With -long the other's session
// is ended by the limits, and both instances are replaced.
func TestTwoUsers(t *testing.T) {
	h := newHouse(t, "--import-rules", "open", patient)
	h.unproven("base", "linux")
	fleet := &appstream.CreateFleetInput{FleetType: types.FleetTypeAlwaysOn, IamRoleArn: &h.role, StreamView: types.StreamViewDesktop}
	if *long { // the shortest there are
		fleet.IdleDisconnectTimeoutInSeconds, fleet.DisconnectTimeoutInSeconds = aws.Int32(60), aws.Int32(60)
	}
	h.serve("Two users", 2, fleet)
	tr := h.trace("fleet", "stack")
	defer tr.end()
	u := newUsers(h, "ann", "bob") // their browsers start while the guests boot
	u.each("come", func(string) args { return nil })
	h.state(types.FleetStateRunning)
	u.each("open", func(user string) args { return args{"address": h.address(user)} })
	s := h.twoSessions()
	h.seeThemselves(u, s)

	u.do("ann", "leave", nil)
	rig.Until(t, time.Minute, "she is seen to have gone", func() (bool, error) {
		return h.sessions()["ann"].ConnectionState == types.SessionConnectionStateNotConnected, nil
	})
	u.do("ann", "open", args{"address": h.address("ann")})
	h.sameAs(s)
	u.do("ann", "shoot", args{"path": picture("user-ann-back")})
	h.handedOver(2) // coming back does not count
	keys := h.strangers(s)
	u.do("bob", "press", args{"key": "Shift"}) // idle from here

	h.Kill()
	tr.look()
	u.each("away", func(string) args { return args{"limit": 60_000} })
	h.Again(strings.TrimPrefix(h.Endpoint, "http://")) // where pages and clients are
	u.each("connected", func(string) args { return args{"limit": 60_000} })
	h.sameAs(s)
	// The shell that she had before she left, with its variables.
	u.do("ann", "type", args{"text": "echo still $AppStream_UserName | tee /dev/ttyS0"})
	h.serial(s["ann"], "still ann")
	u.each("shoot", func(user string) args { return args{"path": picture("user-" + user + "-after-kill")} })

	u.do("ann", "end", nil)
	h.gone(*s["ann"].InstanceId)
	h.stranger(keys["ann"])
	tr.look()
	if *long {
		h.replaced(u, s)
		tr.look()
	} else {
		_, err := h.app.ExpireSession(t.Context(), &appstream.ExpireSessionInput{SessionId: s["bob"].Id})
		h.ok(err)
		u.do("bob", "told", args{"text": "session has ended", "limit": 30_000})
	}
	h.gone(*s["bob"].InstanceId)
	tr.look()
	h.stop()
}

// serve starts a fleet of so many instances of the image "base", and gives it a
// stack with a title.
func (h *house) serve(title string, instances int32, fleet *appstream.CreateFleetInput) {
	h.t.Helper()
	fleet.Name, fleet.ImageName, fleet.InstanceType = aws.String("fleet"), aws.String("base"), aws.String("GeneralPurpose.m7i.large")
	fleet.ComputeCapacity = &types.ComputeCapacity{DesiredInstances: &instances}
	_, err := h.app.CreateFleet(h.t.Context(), fleet)
	h.ok(err)
	_, err = h.app.CreateStack(h.t.Context(), &appstream.CreateStackInput{Name: aws.String("stack"), DisplayName: &title})
	h.ok(err)
	_, err = h.app.AssociateFleet(h.t.Context(), &appstream.AssociateFleetInput{FleetName: aws.String("fleet"), StackName: aws.String("stack")})
	h.ok(err)
	_, err = h.app.StartFleet(h.t.Context(), &appstream.StartFleetInput{Name: aws.String("fleet")})
	h.ok(err)
}

// stop stops the fleet, and wants nothing of it to be left.
func (h *house) stop() {
	h.t.Helper()
	_, err := h.app.StopFleet(h.t.Context(), &appstream.StopFleetInput{Name: aws.String("fleet")})
	h.ok(err)
	h.state(types.FleetStateStopped)
	h.nothingLeft()
}

func (h *house) state(want types.FleetState) {
	h.t.Helper()
	begun := time.Now()
	rig.Until(h.t, 2*bootLimit, "the fleet is "+string(want), func() (bool, error) {
		f := h.fleet()
		if len(f.FleetErrors) > 0 {
			return false, fmt.Errorf("%+v", f.FleetErrors)
		}
		return f.State == want, nil
	})
	h.t.Logf("the fleet is %s after %.1f s", want, time.Since(begun).Seconds())
}

func (h *house) fleet() types.Fleet {
	h.t.Helper()
	out, err := h.app.DescribeFleets(h.t.Context(), &appstream.DescribeFleetsInput{Names: []string{"fleet"}})
	h.ok(err)
	return out.Fleets[0]
}

func (h *house) address(user string) string {
	h.t.Helper()
	out, err := h.app.CreateStreamingURL(h.t.Context(), &appstream.CreateStreamingURLInput{
		StackName: aws.String("stack"), FleetName: aws.String("fleet"), UserId: &user, SessionContext: aws.String("it's for " + user),
	})
	h.ok(err)
	return *out.StreamingURL
}

// sessions are those that have not ended, by user.
func (h *house) sessions() map[string]types.Session {
	h.t.Helper()
	out, err := h.app.DescribeSessions(h.t.Context(), &appstream.DescribeSessionsInput{StackName: aws.String("stack"), FleetName: aws.String("fleet")})
	h.ok(err)
	by := map[string]types.Session{}
	for _, x := range out.Sessions {
		if x.State != types.SessionStateExpired {
			if _, twice := by[*x.UserId]; twice {
				h.t.Errorf("%s has two sessions", *x.UserId)
			}
			by[*x.UserId] = x
		}
	}
	return by
}

func (h *house) twoSessions() map[string]types.Session {
	h.t.Helper()
	s := h.sessions()
	if len(s) != 2 || *s["ann"].InstanceId == *s["bob"].InstanceId {
		h.t.Fatalf("%+v", s)
	}
	for _, x := range s {
		if !slices.Contains(h.machines(), *x.InstanceId) || x.ConnectionState != types.SessionConnectionStateConnected {
			h.t.Errorf("%+v", x)
		}
	}
	return s
}

// sameAs wants both sessions to be connected and to be what they were.
func (h *house) sameAs(s map[string]types.Session) {
	h.t.Helper()
	rig.Until(h.t, time.Minute, "both are connected", func() (bool, error) {
		now := h.sessions()
		return now["ann"].ConnectionState == types.SessionConnectionStateConnected && now["bob"].ConnectionState == types.SessionConnectionStateConnected, nil
	})
	for user, now := range h.sessions() {
		if was := s[user]; *now.Id != *was.Id || *now.InstanceId != *was.InstanceId {
			h.t.Errorf("%s had the session %s on %s and has %s on %s", user, *was.Id, *was.InstanceId, *now.Id, *now.InstanceId)
		}
	}
}

// serial waits for words on the serial port of a user's guest.
func (h *house) serial(x types.Session, words string) {
	h.t.Helper()
	path := filepath.Join(h.DataDir, "run", *x.InstanceId, "serial")
	rig.Until(h.t, 2*time.Minute, fmt.Sprintf("the guest has said %q", words), func() (bool, error) {
		b, err := os.ReadFile(path)
		return strings.Contains(string(b), words), err
	})
}

// seeThemselves lets both users ask their guests, through the page, whose they
// are and who they are.
func (h *house) seeThemselves(u *users, s map[string]types.Session) {
	h.t.Helper()
	for user, x := range s {
		rig.Until(h.t, 2*time.Minute, "the guest knows whose it is", func() (bool, error) {
			_, status := h.inside(*x.InstanceId, "test -s /etc/profile.d/appstream_system_vars.sh")
			return status == 0, nil
		})
		const context = ". /etc/profile.d/appstream_user_vars.sh; . /etc/profile.d/appstream_system_vars.sh; echo $AppStream_Session_ID $APPSTREAM_SESSION_CONTEXT, $AppStream_Resource_Name"
		if got, _ := h.inside(*x.InstanceId, context); got != *x.Id+" it's for "+user+", fleet" {
			h.t.Errorf("%s's environment: %s", user, got)
		}
	}
	u.each("shell", func(string) args { return nil })
	u.each("type", func(string) args {
		return args{"text": ". /etc/profile.d/appstream_user_vars.sh; m=" + metaData + "; echo I am $AppStream_UserName on $(wget -qO- ${m}instance-id) at $(wget -qO- ${m}hostname) | tee /dev/ttyS0"}
	})
	for user, x := range s {
		name := "ip-" + strings.ReplaceAll(*x.NetworkAccessConfiguration.EniPrivateIpAddress, ".", "-") + ".ec2.internal"
		h.serial(x, "I am "+user+" on "+*x.InstanceId+" at "+name)
		u.do(user, "shoot", args{"path": picture("user-" + user)})
	}
}

// handedOver wants so many sessions to have been seen by their users, and says how
// long that took.
func (h *house) handedOver(sessions int) {
	h.t.Helper()
	r, err := http.Get(h.Endpoint + "/_slipway/metrics")
	h.ok(err)
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	h.ok(err)
	const name = "slipway_time_to_stream_seconds_"
	var sum float64
	n := -1
	for line := range strings.Lines(string(all)) {
		_, _ = fmt.Sscanf(line, name+"sum %g", &sum) // other lines say other things
		_, _ = fmt.Sscanf(line, name+"count %d", &n)
	}
	if n != sessions {
		h.t.Errorf("%d sessions were seen by their users, not %d", n, sessions)
	}
	h.t.Logf("from the opening of an address to the first of a picture: %.2f s in the mean of %d", sum/float64(max(n, 1)), n)
}

// strangers holds each guest against the other: neither is told what the other
// is, nor reaches it or this host. It returns the credentials of both.
func (h *house) strangers(s map[string]types.Session) map[string]roleKeys {
	h.t.Helper()
	keys, tokens := map[string]roleKeys{}, map[string]string{}
	for user, x := range s {
		m := *x.InstanceId
		// busybox knows no PUT: it is said by hand.
		tokens[user], _ = h.inside(m, `printf 'PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nConnection: close\r\n\r\n' | nc 169.254.169.254 80 | tail -n 1`)
		var k roleKeys
		text, _ := h.fetch(m, "http://"+metaData+"iam/security-credentials/mover")
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			h.t.Fatalf("credentials: %v: %s", err, text)
		}
		keys[user] = k
		if got, _ := h.fetch(m, h.whoAmI(k, "http://slipway.internal")); !strings.Contains(got, ":assumed-role/mover/"+m) {
			h.t.Errorf("who %s's guest is, by its role's credentials: %s", user, got)
		}
		h.roleIsAnnounced(m)
		if got, code := h.inside(m, byProfile+"sh -c 'cat $AWS_CONFIG_FILE; /usr/local/sbin/slipway-guest role-credentials'"); code != 0 || !strings.Contains(got, "[profile appstream_machine_role]\n") || !strings.Contains(got, `"AccessKeyId":"`+k.AccessKeyID+`"`) {
			h.t.Errorf("the role's profile: exit %d: %s", code, got)
		}
		for _, verb := range []string{"create-image --name stolen", "update-default-profile", "reset-user-profile"} {
			if got, code := h.inside(m, "AppStreamImageAssistant "+verb); code != 1 || !strings.Contains(got, "not an image builder") {
				h.t.Errorf("the Image Assistant on a fleet: %s: exit %d: %s", verb, code, got)
			}
		}
		h.inside(m, "mkdir -p /tmp/www; echo of "+user+" > /tmp/www/index.html; httpd -p 8000 -h /tmp/www")
		if got, _ := h.fetch(m, "http://"+*x.NetworkAccessConfiguration.EniPrivateIpAddress+":8000/index.html"); got != "of "+user {
			h.t.Errorf("its own server: %q", got)
		}
	}
	if keys["ann"].AccessKeyID == keys["bob"].AccessKeyID {
		h.t.Error("both guests have the same credentials")
	}
	for user, other := range map[string]string{"ann": "bob", "bob": "ann"} {
		m := *s[user].InstanceId
		if got, status := h.fetch(m, "http://"+metaData+"instance-id", "X-aws-ec2-metadata-token: "+tokens[user]); got != m || status != 0 {
			h.t.Errorf("with its own token: %q", got)
		}
		if got, status := h.fetch(m, "http://"+metaData+"instance-id", "X-aws-ec2-metadata-token: "+tokens[other]); status == 0 {
			h.t.Errorf("with the other's token: %q", got)
		}
		if got, status := h.fetch(m, "http://"+metaData+"instance-id", "X-Forwarded-For: "+*s[other].NetworkAccessConfiguration.EniPrivateIpAddress); status == 0 {
			h.t.Errorf("in the other's name: %q", got)
		}
		for name, url := range map[string]string{
			"the other guest": "http://" + *s[other].NetworkAccessConfiguration.EniPrivateIpAddress + ":8000/index.html", "this host's loopback": h.Endpoint,
			"the operator's pages": "http://slipway.internal/_slipway/metrics",
		} {
			if got, status := h.fetch(m, url); status == 0 {
				h.t.Errorf("%s reaches %s: %s", user, name, got)
			}
		}
	}
	return keys
}

// gone waits until the machine of an instance is no more.
func (h *house) gone(machine string) {
	h.t.Helper()
	rig.Until(h.t, time.Minute, "the machine "+machine+" is gone", func() (bool, error) {
		return !slices.Contains(h.machines(), machine), nil
	})
}

// replaced waits for the limits to end bob's session, who does nothing, and for
// both instances to have others in their place.
func (h *house) replaced(u *users, s map[string]types.Session) {
	h.t.Helper()
	u.do("bob", "told", args{"text": "you did nothing for", "limit": 120_000})
	u.do("bob", "shoot", args{"path": picture("user-bob-idle")})
	rig.Until(h.t, 2*time.Minute, "his session has ended", func() (bool, error) { return len(h.sessions()) == 0, nil })
	rig.Until(h.t, 2*bootLimit, "both are replaced", func() (bool, error) {
		c := h.fleet().ComputeCapacityStatus
		return *c.Running == 2 && *c.Available == 2, nil
	})
	for _, m := range h.machines() {
		if m == *s["ann"].InstanceId || m == *s["bob"].InstanceId {
			h.t.Errorf("%s is there again", m)
		}
	}
}
