package script

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// TestFleetsAreShown: what the operator's commands say of a fleet with several
// sessions on an instance, and of its sessions, for people and for programs.
func TestFleetsAreShown(t *testing.T) {
	images := filepath.Join(t.TempDir(), "images.json")
	if err := os.WriteFile(images, []byte(`{"images":[{"name":"Base","platform":"WINDOWS_SERVER_2022","applications":[{"name":"calc","path":"C:\\calc.exe"}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := rig.Start(t, "--compute", "fake", "--fake-boot-time", "0s", "--public-images", images)
	app := appstream.NewFromConfig(aws.Config{Region: s.Client.Region, BaseEndpoint: &s.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(s.Client.AccessKeyID, s.Client.SecretAccessKey, "")})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, fleet, stack := t.Context(), aws.String("f"), aws.String("s")
	_, err := app.CreateFleet(ctx, &appstream.CreateFleetInput{Name: fleet, ImageName: aws.String("Base"), InstanceType: aws.String("stream.standard.small"),
		MaxSessionsPerInstance: aws.Int32(2), ComputeCapacity: &types.ComputeCapacity{DesiredSessions: aws.Int32(3)}})
	ok(err)
	_, err = app.CreateStack(ctx, &appstream.CreateStackInput{Name: stack})
	ok(err)
	_, err = app.AssociateFleet(ctx, &appstream.AssociateFleetInput{FleetName: fleet, StackName: stack})
	ok(err)
	_, err = app.StartFleet(ctx, &appstream.StartFleetInput{Name: fleet})
	ok(err)
	var f adminapi.Fleet
	show := func() bool {
		f = adminapi.Fleet{}
		ok(json.Unmarshal([]byte(s.Must("fleet", "show", "f", "--json")), &f))
		return f.State == "RUNNING" && f.Running == 2
	}
	rig.Until(t, limit, "the fleet runs", func() (bool, error) { return show(), nil })
	address, err := app.CreateStreamingURL(ctx, &appstream.CreateStreamingURLInput{FleetName: fleet, StackName: stack, UserId: aws.String("ann"), ApplicationId: aws.String("calc")})
	ok(err)
	res, err := http.Get(*address.StreamingURL)
	ok(err)
	ok(res.Body.Close())
	if show(); f.Sessions == nil || *f.Sessions != (adminapi.FleetSessions{Desired: 4, Active: 1, Available: 3}) || len(f.Instances) != 2 || f.InUse != 1 {
		t.Errorf("%+v, sessions %+v", f, f.Sessions)
	}
	var list adminapi.Sessions
	ok(json.Unmarshal([]byte(s.Must("session", "ls", "--fleet", "f", "--json")), &list))
	if len(list.Sessions) != 1 || list.Sessions[0].User != "ann" || list.Sessions[0].State != "ACTIVE" || list.Sessions[0].Connected {
		t.Errorf("%+v", list)
	}
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"fleet", "ls"}, []string{"AVAILABLE", "RUNNING", "stream.standard.small"}},
		{[]string{"fleet", "show", "f"}, []string{"Desired 2, running 2, in use 1, available 1", "Sessions: room for 4, 1 active, 3 available", "IN_USE", "READY"}},
		{[]string{"session", "ls"}, []string{list.Sessions[0].ID, "ann", list.Sessions[0].Instance}},
		{[]string{"ps"}, []string{list.Sessions[0].Instance, "fleet=f"}},
	} {
		out := s.Must(c.args...)
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s says no %q:\n%s", strings.Join(c.args, " "), want, out)
			}
		}
	}
	_, err = app.StopFleet(ctx, &appstream.StopFleetInput{Name: fleet})
	ok(err)
	rig.Until(t, limit, "the fleet is stopped", func() (bool, error) { show(); return f.State == "STOPPED" && len(f.Instances) == 0, nil })
	for _, args := range [][]string{{"fleet", "show", "none"}, {"session", "ls", "--fleet", "none"}} {
		if _, errs, err := s.CLI(args...); err == nil || !strings.Contains(errs, "The fleet none for account") || !strings.Contains(errs, "`slipway fleet ls` lists them") {
			t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, errs)
		}
	}
}
