package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// building asks for an image builder that would be made if change did not spoil
// the request.
func (w *world) building(change func(*appstream.CreateImageBuilderInput)) error {
	in := &appstream.CreateImageBuilderInput{Name: aws.String("refused"), ImageName: aws.String("for-builders"), InstanceType: aws.String("GeneralPurpose.m7i.large")}
	change(in)
	_, err := w.app.CreateImageBuilder(w.ctx, in)
	return err
}

// builders takes an image builder through its life as a typical client watches
// it, and through every refusal.
func (w *world) builders() {
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("for-builders") }))
	img := w.settled("for-builders")
	subnets, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{})
	w.ok(err)
	subnet := *subnets.Subnets[0].SubnetId
	out, err := w.app.CreateImageBuilder(w.ctx, &appstream.CreateImageBuilderInput{
		Name: aws.String("b"), ImageArn: img.Arn, InstanceType: aws.String("GeneralPurpose.m7i.large"), DisplayName: aws.String("Builder"),
		VpcConfig: &types.VpcConfig{SubnetIds: []string{subnet}}, IamRoleArn: &w.role, EnableDefaultInternetAccess: aws.Bool(true),
		AccessEndpoints: []types.AccessEndpoint{{EndpointType: types.AccessEndpointTypeStreaming, VpceId: aws.String("vpce-1")}},
		DomainJoinInfo:  &types.DomainJoinInfo{}, Tags: map[string]string{"team": "red"},
	})
	w.ok(err)
	b := out.ImageBuilder
	if b.State != types.ImageBuilderStatePending || near(b.CreatedTime) != nil || b.RootVolumeConfig == nil || *b.RootVolumeConfig.VolumeSizeInGb != 200 ||
		*b.ImageArn != *img.Arn || !*b.EnableDefaultInternetAccess || len(b.AccessEndpoints) != 1 || b.VpcConfig.SubnetIds[0] != subnet || *b.IamRoleArn != w.role ||
		!strings.HasSuffix(*b.Arn, ":image-builder/b") {
		w.t.Errorf("created: %+v", b)
	}
	w.builderIsIn(b, subnets.Subnets[0])
	tags, err := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: b.Arn})
	w.ok(err)
	if tags.Tags["team"] != "red" {
		w.t.Errorf("tags: %v", tags.Tags)
	}
	w.buildersRefused("PENDING")
	w.builderIs(types.ImageBuilderStateRunning, types.ImageBuilderStatePending)
	w.agents(img)
	w.buildersRefused("RUNNING")
	w.builderCreationRefused()
	w.builderEnds(*subnets.Subnets[0].SubnetId)
}

// agents: a builder tells the version of the agent in its guest as soon as that was
// heard of; of an image it is told when it is known, or will be the newest whatever
// it is.
func (w *world) agents(img types.Image) {
	if img.LatestAppstreamAgentVersion != "" || img.AppstreamAgentVersion != nil {
		w.t.Errorf("an image whose agent nobody knows: %q %s", aws.ToString(img.AppstreamAgentVersion), img.LatestAppstreamAgentVersion)
	}
	w.until("the builder tells of its agent", func() (bool, error) {
		out, err := w.app.DescribeImageBuilders(w.ctx, &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
		return err == nil && out.ImageBuilders[0].LatestAppstreamAgentVersion == types.LatestAppstreamAgentVersionTrue && aws.ToString(out.ImageBuilders[0].AppstreamAgentVersion) != "", err
	})
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) {
		in.Name, in.AgentSoftwareVersion = aws.String("newest-agent"), types.AgentSoftwareVersionAlwaysLatest
	}))
	if always := w.settled("newest-agent"); always.LatestAppstreamAgentVersion != types.LatestAppstreamAgentVersionTrue {
		w.t.Errorf("an image that always has the newest agent: %q", always.LatestAppstreamAgentVersion)
	}
	w.remove("newest-agent")
}

// throughEndpoint wants a streaming address to be at the access endpoint of what
// it is for, and of no use at the server's own.
func (w *world) throughEndpoint(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Path != "/_slipway/stream/" || u.Query().Get("token") == "" || strings.HasPrefix(address, w.srv.Client.Endpoint+"/") {
		return fmt.Errorf("it is no address at an access endpoint, %v", err)
	}
	res, err := http.Get(w.srv.Client.Endpoint + u.RequestURI())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusNotImplemented { // built without pages
		return fmt.Errorf("it is answered %s at the server's own address", res.Status)
	}
	return nil
}

// builderIsIn wants an interface with an address of the subnet, which has one
// less.
func (w *world) builderIsIn(b *types.ImageBuilder, before ec2types.Subnet) {
	n := b.NetworkAccessConfiguration
	if n == nil || !strings.HasPrefix(aws.ToString(n.EniId), "eni-") {
		w.t.Fatalf("the builder's interface: %+v", n)
	}
	block := netip.MustParsePrefix(*before.CidrBlock)
	if a, err := netip.ParseAddr(aws.ToString(n.EniPrivateIpAddress)); err != nil || !block.Contains(a) {
		w.t.Errorf("the address %s is not of %s: %v", aws.ToString(n.EniPrivateIpAddress), block, err)
	}
	after, err := w.ec2.DescribeSubnets(w.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{*before.SubnetId}})
	w.ok(err)
	if got := *after.Subnets[0].AvailableIpAddressCount; got != *before.AvailableIpAddressCount-1 {
		w.t.Errorf("%d addresses are left, there were %d", got, *before.AvailableIpAddressCount)
	}
}

// builderEnds stops, starts and deletes the builder, and makes another one of
// its name.
func (w *world) builderEnds(subnet string) {
	name := aws.String("b")
	stopped, err := w.app.StopImageBuilder(w.ctx, &appstream.StopImageBuilderInput{Name: name})
	w.ok(err)
	if stopped.ImageBuilder.State != types.ImageBuilderStateStopping {
		w.t.Errorf("stopped: %s", stopped.ImageBuilder.State)
	}
	w.builderIs(types.ImageBuilderStateStopped, types.ImageBuilderStateStopping)
	w.buildersRefused("STOPPED")
	started, err := w.app.StartImageBuilder(w.ctx, &appstream.StartImageBuilderInput{Name: name, AppstreamAgentVersion: aws.String("[LATEST]")})
	w.ok(err)
	if started.ImageBuilder.State != types.ImageBuilderStatePending || aws.ToString(started.ImageBuilder.AppstreamAgentVersion) != "[LATEST]" {
		w.t.Errorf("started: %s, agent %s", started.ImageBuilder.State, aws.ToString(started.ImageBuilder.AppstreamAgentVersion))
	}
	w.builderIs(types.ImageBuilderStateRunning, types.ImageBuilderStatePending)
	_, deleteImage := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: aws.String("for-builders")})
	_, deleteSubnet := w.ec2.DeleteSubnet(w.ctx, &ec2.DeleteSubnetInput{SubnetId: &subnet})
	w.refused([]refusal{
		{"its image", deleteImage, isA[*types.ResourceInUseException], []string{"image-builder b"}},
		{"its subnet", deleteSubnet, coded("DependencyViolation"), nil},
	})
	for range 2 { // the second time under the name of the first
		deleted, err := w.app.DeleteImageBuilder(w.ctx, &appstream.DeleteImageBuilderInput{Name: name})
		w.ok(err)
		if deleted.ImageBuilder.State != types.ImageBuilderStateDeleting {
			w.t.Errorf("deleted: %s", deleted.ImageBuilder.State)
		}
		w.until("the builder is gone", func() (bool, error) {
			_, err := w.app.DescribeImageBuilders(w.ctx, &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
			var none *types.ResourceNotFoundException
			if errors.As(err, &none) {
				return true, nil
			}
			return false, err
		})
		if started == nil {
			break
		}
		started = nil
		w.ok(w.building(func(in *appstream.CreateImageBuilderInput) { in.Name = name }))
		w.builderIs(types.ImageBuilderStateRunning, types.ImageBuilderStatePending)
	}
	_, err = w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: aws.String("for-builders")})
	w.ok(err)
}

// builderIs waits for a state and tolerates one other before it.
func (w *world) builderIs(want, before types.ImageBuilderState) {
	w.t.Helper()
	w.until("the builder is "+string(want), func() (bool, error) {
		out, err := w.app.DescribeImageBuilders(w.ctx, &appstream.DescribeImageBuildersInput{Names: []string{"b"}})
		if err != nil {
			return false, err
		}
		s := out.ImageBuilders[0].State
		if s != want && s != before {
			w.t.Fatalf("the builder is %s: %+v", s, out.ImageBuilders[0].StateChangeReason)
		}
		return s == want, nil
	})
}

// buildersRefused sends the requests that a builder in a state does not take.
func (w *world) buildersRefused(state string) {
	w.t.Helper()
	name := aws.String("b")
	start := func() error {
		_, err := w.app.StartImageBuilder(w.ctx, &appstream.StartImageBuilderInput{Name: name})
		return err
	}
	stop := func() error {
		_, err := w.app.StopImageBuilder(w.ctx, &appstream.StopImageBuilderInput{Name: name})
		return err
	}
	address := func(name string, seconds *int64) error {
		out, err := w.app.CreateImageBuilderStreamingURL(w.ctx, &appstream.CreateImageBuilderStreamingURLInput{Name: &name, Validity: seconds})
		if err == nil && (w.throughEndpoint(*out.StreamingURL) != nil || time.Until(*out.Expires) > time.Hour || time.Until(*out.Expires) < 50*time.Minute) {
			w.t.Errorf("a streaming URL: %s until %s, %v", *out.StreamingURL, out.Expires, w.throughEndpoint(*out.StreamingURL))
		}
		return err
	}
	permitted, available := isA[*types.OperationNotPermittedException], isA[*types.ResourceNotAvailableException]
	switch state {
	case "PENDING":
		_, err := w.app.DeleteImageBuilder(w.ctx, &appstream.DeleteImageBuilderInput{Name: name})
		w.refused([]refusal{{"stop", stop(), permitted, []string{state}}, {"delete", err, permitted, []string{state}}, {"streaming", address("b", nil), permitted, []string{state}}})
	case "RUNNING": // starting has no OperationNotPermittedException
		w.refused([]refusal{{"start", start(), available, []string{state, "STOPPED"}},
			{"streaming for ever", address("b", aws.Int64(604801)), coded("InvalidParameterValueException"), []string{"604800"}},
			{"streaming nothing", address("none", nil), isA[*types.ResourceNotFoundException], []string{"none"}}})
		w.ok(address("b", nil))
	case "STOPPED":
		w.refused([]refusal{{"stop", stop(), permitted, []string{state}}, {"streaming", address("b", nil), permitted, []string{state}}})
	}
}

// builderCreationRefused is every request for a builder that is answered with
// its own exception at once, and leaves nothing behind.
func (w *world) builderCreationRefused() {
	type in = appstream.CreateImageBuilderInput
	combination, none := isA[*types.InvalidParameterCombinationException], isA[*types.ResourceNotFoundException]
	value := coded("InvalidParameterValueException")
	w.refused([]refusal{
		{"no image", w.building(func(r *in) { r.ImageName = nil }), combination, nil},
		{"two images", w.building(func(r *in) { r.ImageArn = aws.String("arn:aws:appstream:us-east-1::image/x") }), combination, nil},
		{"unknown image", w.building(func(r *in) { r.ImageName = aws.String("none") }), none, []string{"The image none for account"}},
		{"unknown type", w.building(func(r *in) { r.InstanceType = aws.String("stream.huge") }), value, nil},
		{"end of life", w.building(func(r *in) { r.InstanceType = aws.String("stream.graphics-design.xlarge") }), value, []string{"end of life"}},
		{"GPU", w.building(func(r *in) { r.InstanceType = aws.String("Accelerated.g6.xlarge") }), isA[*types.ResourceNotAvailableException], []string{"GPU"}},
		{"family", w.building(func(r *in) { r.InstanceType = aws.String("stream.standard.medium") }), combination, []string{"The combination of instance type stream.standard.medium and image instance family"}},
		{"volume", w.building(func(r *in) { r.RootVolumeConfig = &types.VolumeConfig{VolumeSizeInGb: aws.Int32(20)} }), value, []string{"200"}},
		{"subnets", w.building(func(r *in) { r.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1", "subnet-2"}} }), combination, nil},
		{"unknown subnet", w.building(func(r *in) { r.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}} }), none, []string{"subnet-1"}},
		{"domain", w.building(func(r *in) { r.DomainJoinInfo = &types.DomainJoinInfo{DirectoryName: aws.String("corp")} }), none, []string{"corp"}},
		{"role", w.building(func(r *in) { r.IamRoleArn = aws.String("arn:aws:iam::" + w.srv.Client.Account + ":role/none") }), isA[*types.InvalidRoleException], nil},
		{"no such software", w.building(func(r *in) { r.SoftwaresToInstall = []string{"Paint"} }), value, nil},
		{"taken", w.building(func(r *in) { r.Name = aws.String("b") }), isA[*types.ResourceAlreadyExistsException], nil},
	})
	out, err := w.app.DescribeImageBuilders(w.ctx, &appstream.DescribeImageBuildersInput{MaxResults: aws.Int32(1)})
	w.ok(err)
	if len(out.ImageBuilders) != 1 || *out.ImageBuilders[0].Name != "b" || out.NextToken != nil {
		w.t.Errorf("refused requests left %+v", out.ImageBuilders)
	}
	page := func(n int32) error {
		_, err := w.app.DescribeImageBuilders(w.ctx, &appstream.DescribeImageBuildersInput{MaxResults: &n})
		return err
	}
	w.ok(page(0))
	w.ok(page(500))
	_, err = w.app.StartImageBuilder(w.ctx, &appstream.StartImageBuilderInput{Name: aws.String("none")})
	w.refused([]refusal{
		{"no builder", err, none, []string{"image builder none"}},
		{"a page of less than nothing", page(-1), value, []string{"MaxResults"}}, {"a page too large", page(501), value, []string{"500"}},
	})
}
