package ec2

import (
	"context"
	"slices"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) registerImage(ctx context.Context, c *wire.Call, in *aws.RegisterImageRequest) (*aws.RegisterImageResult, error) {
	if in.ImageLocation != nil {
		return nil, fault.New(fault.Unsupported, "Images with a manifest in S3 are not supported.").WithHint("Register from a snapshot with BlockDeviceMappings.")
	}
	tags, err := tagsFor(in.TagSpecifications, "image", "snapshot")
	if err != nil {
		return nil, err
	}
	ami := domain.AMI{
		Label: convert.Val(in.Name), Description: convert.Val(in.Description), Architecture: or(in.Architecture, "i386"),
		VirtType: or(in.VirtualizationType, "paravirtual"), BootMode: convert.Val(in.BootMode), TPM: convert.Val(in.TpmSupport),
		ENA: convert.Val(in.EnaSupport), RootDevice: convert.Val(in.RootDeviceName), Tags: tags["image"],
	}
	for _, m := range in.BlockDeviceMappings {
		d := domain.Mapping{Device: convert.Val(m.DeviceName)}
		if e := m.Ebs; e != nil {
			d.SnapshotID, d.SizeGiB, d.VolumeType = convert.Val(e.SnapshotId), convert.Val(e.VolumeSize), convert.Val(e.VolumeType)
			d.Encrypted, d.IOPS, d.Throughput = convert.Val(e.Encrypted), convert.Val(e.Iops), convert.Val(e.Throughput)
			d.Keep = e.DeleteOnTermination != nil && !*e.DeleteOnTermination
		}
		ami.Mappings = append(ami.Mappings, d)
	}
	out, err := a.svc.RegisterAMI(ctx, convert.Caller(c), ami, convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	return &aws.RegisterImageResult{ImageId: new(out.Key.Name)}, nil
}

func or(p *string, otherwise string) string {
	if p == nil || *p == "" {
		return otherwise
	}
	return *p
}

func (a api) deregisterImage(ctx context.Context, c *wire.Call, in *aws.DeregisterImageRequest) (*aws.DeregisterImageResult, error) {
	caller := convert.Caller(c)
	ami, err := a.svc.OwnAMI(ctx, caller, convert.Val(in.ImageId))
	if err != nil {
		return nil, err
	}
	if err := a.svc.DeregisterAMI(ctx, caller, ami.Key.Name, convert.Val(in.DryRun)); err != nil {
		return nil, err
	}
	out := &aws.DeregisterImageResult{Return: new(true)}
	if convert.Val(in.DeleteAssociatedSnapshots) {
		for _, m := range ami.Mappings {
			if m.SnapshotID != "" {
				out.DeleteSnapshotResults = append(out.DeleteSnapshotResults, aws.DeleteSnapshotReturnCode{SnapshotId: new(m.SnapshotID), ReturnCode: new(a.dropWithImage(ctx, c, m.SnapshotID))})
			}
		}
	}
	return out, nil
}

// dropWithImage deletes a snapshot of an AMI that is gone and says how that
// went; one that another AMI uses stays.
func (a api) dropWithImage(ctx context.Context, c *wire.Call, id string) string {
	caller := convert.Caller(c)
	err := a.svc.Authorize(ctx, caller, convert.Keys(c), service.Check{
		Action: "ec2:DeleteSnapshot", Resources: []string{domain.ARN("ec2", c.Region, "", "snapshot/"+id)},
	})
	if err == nil {
		err = a.svc.DeleteSnapshot(ctx, caller, id, false)
	}
	switch {
	case err == nil:
		return "success"
	case fault.Is(err, fault.Denied):
		return "missing-permissions"
	case fault.Is(err, fault.InUse):
		return "skipped"
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.WrongState):
		return "client-error"
	}
	return "internal-error"
}

func (a api) describeImages(ctx context.Context, c *wire.Call, in *aws.DescribeImagesRequest) (*aws.DescribeImagesResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return amiField(&domain.AMI{}, n) }); err != nil {
		return nil, err
	}
	out := &aws.DescribeImagesResult{Images: []aws.Image{}}
	amis, err := a.svc.AMIs(ctx, convert.Caller(c), service.AMIQuery{IDs: in.ImageIds, Owners: in.Owners, Executable: in.ExecutableUsers})
	if err != nil {
		return nil, err
	}
	for _, m := range amis {
		if passes(in.Filters, func(n string) ([]string, bool) { return amiField(m, n) }) {
			out.Images = append(out.Images, imageShape(m))
		}
	}
	out.Images, out.NextToken, err = page(out.Images, in.MaxResults, in.NextToken, func(i aws.Image) string { return *i.ImageId })
	return out, err
}

// page cuts a list, ordered by id, at MaxResults.
func page[T any](all []T, max *int64, token *string, id func(T) string) ([]T, *string, error) {
	after, err := convert.Position(token)
	if err != nil {
		return nil, nil, err
	}
	start, _ := slices.BinarySearchFunc(all, after, func(t T, after string) int {
		if id(t) <= after {
			return -1
		}
		return 1
	})
	all = all[start:]
	if n := int(convert.Val(max)); n > 0 && len(all) > n {
		return all[:n], convert.Token(id(all[n-1])), nil
	}
	return all, nil, nil
}

// amiField is the filters of DescribeImages that mean something here.
func amiField(m *domain.AMI, name string) ([]string, bool) {
	if v, ok := tagFields(name, m.Tags); ok {
		return v, true
	}
	switch name {
	case "name":
		return []string{m.Label}, true
	case "source-image-id":
		return []string{m.SourceAMI}, true
	case "source-image-region":
		return []string{m.SourceRegion}, true
	case "image-id":
		return []string{m.Key.Name}, true
	case "description":
		return []string{m.Description}, true
	case "owner-id":
		return []string{m.Key.Account}, true
	case "state":
		return []string{string(m.State)}, true
	case "architecture":
		return []string{m.Architecture}, true
	case "virtualization-type":
		return []string{m.VirtType}, true
	case "boot-mode":
		return []string{m.BootMode}, true
	case "tpm-support":
		return []string{m.TPM}, true
	case "platform":
		return []string{m.Platform}, true
	case "platform-details":
		return []string{m.Details}, true
	case "root-device-name":
		return []string{m.RootDevice}, true
	case "root-device-type":
		return []string{"ebs"}, true
	case "image-type":
		return []string{"machine"}, true
	case "is-public":
		return []string{boolWord(m.Public)}, true
	case "ena-support":
		return []string{boolWord(m.ENA)}, true
	case "block-device-mapping.snapshot-id":
		var ids []string
		for _, d := range m.Mappings {
			ids = append(ids, d.SnapshotID)
		}
		return ids, true
	}
	return nil, false
}

func imageShape(m *domain.AMI) aws.Image {
	out := aws.Image{
		ImageId: new(m.Key.Name), Name: new(m.Label), Description: convert.Opt(m.Description), OwnerId: new(m.Key.Account),
		ImageLocation: new(m.Key.Account + "/" + m.Label), State: new(string(m.State)), Public: new(m.Public), ImageType: new("machine"),
		Architecture: new(m.Architecture), VirtualizationType: new(m.VirtType), Hypervisor: new("xen"),
		BootMode: convert.Opt(m.BootMode), TpmSupport: convert.Opt(m.TPM), EnaSupport: new(m.ENA),
		RootDeviceName: new(m.RootDevice), RootDeviceType: new("ebs"), Platform: convert.Opt(m.Platform), PlatformDetails: new(m.Details),
		CreationDate: new(m.Created.Format("2006-01-02T15:04:05.000Z")), Tags: tagList(m.Tags), UsageOperation: new(usage(m)),
		SourceImageId: convert.Opt(m.SourceAMI), SourceImageRegion: convert.Opt(m.SourceRegion),
	}
	if m.Problem != "" {
		out.StateReason = &aws.StateReason{Code: new("Server.InternalError"), Message: new(m.Problem)}
	}
	for _, d := range m.Mappings {
		out.BlockDeviceMappings = append(out.BlockDeviceMappings, aws.BlockDeviceMapping{DeviceName: new(d.Device), Ebs: &aws.EbsBlockDevice{
			SnapshotId: convert.Opt(d.SnapshotID), VolumeSize: new(d.SizeGiB), VolumeType: new(d.VolumeType), Encrypted: new(d.Encrypted),
			DeleteOnTermination: new(!d.Keep), Iops: convert.Opt(d.IOPS), Throughput: convert.Opt(d.Throughput),
		}})
	}
	return out
}

// usage is the billing code of a platform (EC2 user guide, AMI billing).
func usage(m *domain.AMI) string {
	if m.Platform == "windows" {
		return "RunInstances:0002"
	}
	return "RunInstances"
}
