package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/api/audit"
	"slipway/test/rig"
)

// TestServerDiesUnderBuilders kills the server right after every request about
// an image builder: each goes on where it was. The image is one that is known
// by name only, and its instance type has the size that the operator gave it.
func TestServerDiesUnderBuilders(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := rig.Start(t, "--compute", "fake", "--fake-boot-time", "1s",
		"--public-images", write("images.json", `{"images":[{"name":"AppStream-Base","platform":"WINDOWS_SERVER_2022","families":["GENERAL_PURPOSE"]}]}`),
		"--instance-types", write("types.json", `{"types":[{"type":"stream.standard.small","memory_gib":1.5}]}`))
	address := s.Endpoint[len("http://"):]
	app := appstream.NewFromConfig(aws.Config{Region: s.Client.Region, BaseEndpoint: &s.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(s.Client.AccessKeyID, s.Client.SecretAccessKey, "")})
	die := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		s.Kill()
		s.Again(address)
	}
	show := func() (b adminapi.Builder) {
		if err := json.Unmarshal([]byte(s.Must("builder", "show", "b", "--json")), &b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	becomes := func(state string) {
		t.Helper()
		rig.Until(t, limit, "the builder is "+state, func() (bool, error) { return show().State == state, nil })
	}
	name := aws.String("b")
	_, err := app.CreateImageBuilder(t.Context(), &appstream.CreateImageBuilderInput{Name: name, ImageName: aws.String("AppStream-Base"), InstanceType: aws.String("stream.standard.small")})
	die(err)
	becomes("RUNNING")
	if b := show(); b.MemoryMB != 1536 || b.Platform != "WINDOWS_SERVER_2022" || b.Image != "arn:aws:appstream:us-east-1::image/AppStream-Base" {
		t.Errorf("%+v", b)
	}
	_, err = app.StopImageBuilder(t.Context(), &appstream.StopImageBuilderInput{Name: name})
	die(err)
	becomes("STOPPED")
	_, err = app.StartImageBuilder(t.Context(), &appstream.StartImageBuilderInput{Name: name})
	die(err)
	becomes("RUNNING")
	// An image of it: from outside, and its machine is off when the server dies.
	s.Must("builder", "create-image", "b", "made", "--display-name", "Made", "--dry-run")
	s.Must("builder", "create-image", "b", "made", "--display-name", "Made", "--latest-agent")
	die(nil)
	becomes("STOPPED")
	out, err := app.DescribeImages(t.Context(), &appstream.DescribeImagesInput{Names: []string{"made"}})
	if err != nil {
		t.Fatal(err)
	}
	if img := out.Images[0]; img.State != types.ImageStateAvailable || aws.ToString(img.ImageBuilderName) != "b" || aws.ToString(img.BaseImageArn) != "arn:aws:appstream:us-east-1::image/AppStream-Base" {
		t.Errorf("made: %+v, %+v", img, img.StateChangeReason)
	}
	if shown := s.Must("image", "show", "made"); !strings.Contains(shown, "from arn:aws:appstream:us-east-1::image/AppStream-Base on the image builder b") ||
		!strings.Contains(shown, "fleets bring the server's into each instance") || !strings.Contains(shown, "Guest tool: ") {
		t.Errorf("shown:\n%s", shown)
	}
	var trail struct{ Records []audit.Record }
	if err := json.Unmarshal([]byte(s.Must("audit", "--event", "CreateImage", "--json")), &trail); err != nil {
		t.Fatal(err)
	}
	asked := len(trail.Records)
	trail.Records = slices.DeleteFunc(trail.Records, func(r audit.Record) bool { return r.EventType == audit.FromAdmin })
	if asked -= len(trail.Records); asked != 2 || len(trail.Records) != 1 { // the dry run is a request too
		t.Fatalf("%d requests, %+v", asked, trail)
	}
	if r := trail.Records[0]; r.EventType != "AwsServiceEvent" || r.UserIdentity.Type != "Root" || !strings.Contains(fmt.Sprint(r.RequestParameters, r.ResponseElements), "made") ||
		!strings.Contains(fmt.Sprint(r.ResponseElements), "PENDING") {
		t.Errorf("the image in the audit log: %+v", r)
	}
	_, err = app.DeleteImage(t.Context(), &appstream.DeleteImageInput{Name: aws.String("made")})
	die(err)
	_, err = app.DeleteImageBuilder(t.Context(), &appstream.DeleteImageBuilderInput{Name: name})
	die(err)
	rig.Until(t, limit, "the builder is gone", func() (bool, error) {
		_, err := app.DescribeImageBuilders(t.Context(), &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
		var none *types.ResourceNotFoundException
		if errors.As(err, &none) {
			return true, nil
		}
		return false, err
	})
	if left := s.Leftovers(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
