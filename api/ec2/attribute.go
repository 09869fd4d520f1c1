package ec2

import (
	"context"
	"slices"

	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

// everybody is the one group that permissions know.
const everybody = "all"

func (a api) modifyImageAttribute(ctx context.Context, c *wire.Call, in *aws.ModifyImageAttributeRequest) (*aws.ModifyImageAttributeOutput, error) {
	if len(in.OrganizationArns)+len(in.OrganizationalUnitArns) > 0 {
		return nil, fault.New(fault.Unsupported, "Permissions for organizations are not supported.").WithHint("Name the accounts.")
	}
	if in.ImdsSupport != nil || len(in.ProductCodes) > 0 {
		return nil, fault.New(fault.Unsupported, "Only the description and the launch permissions of an image can be modified.")
	}
	ch := service.AMIChange{ID: convert.Val(in.ImageId), DryRun: convert.Val(in.DryRun)}
	if in.Description != nil {
		ch.Description = new(convert.Val(in.Description.Value))
	}
	switch attribute := convert.Val(in.Attribute); attribute {
	case "description":
		ch.Description = new(convert.Val(in.Value))
	case "", "launchPermission":
		var err error
		if ch.Launch, err = oldGrant(in.OperationType, in.UserIds, in.UserGroups); err != nil {
			return nil, err
		}
	default:
		return nil, fault.New(fault.BadValue, "Value (%s) for parameter attribute is invalid.", attribute).WithHint("description and launchPermission can be modified.")
	}
	if p := in.LaunchPermission; p != nil {
		for _, l := range p.Add {
			if err := grant(&ch.Launch.Add, &ch.Launch.AddAll, l.UserId, l.Group); err != nil {
				return nil, err
			}
		}
		for _, l := range p.Remove {
			if err := grant(&ch.Launch.Remove, &ch.Launch.RemoveAll, l.UserId, l.Group); err != nil {
				return nil, err
			}
		}
	}
	return nil, a.svc.ModifyAMI(ctx, convert.Caller(c), ch)
}

// oldGrant reads the flat form of a change of permissions.
func oldGrant(operation *string, users, groups []string) (service.Grant, error) {
	var g service.Grant
	if len(users)+len(groups) == 0 {
		return g, nil
	}
	ids, all := &g.Add, &g.AddAll
	switch convert.Val(operation) {
	case "add":
	case "remove":
		ids, all = &g.Remove, &g.RemoveAll
	default:
		return g, fault.New(fault.BadCombination, "The request must contain the parameter operationType.").WithHint("add or remove").WithCode("MissingParameter")
	}
	*ids = users
	for _, name := range groups {
		if err := grant(ids, all, nil, new(name)); err != nil {
			return g, err
		}
	}
	return g, nil
}

func grant(ids *[]string, all *bool, user, group *string) error {
	switch {
	case user != nil:
		*ids = append(*ids, *user)
	case convert.Val(group) == everybody:
		*all = true
	case group != nil:
		return fault.New(fault.BadValue, "Invalid attribute item value \"%s\" for group item type.", *group).WithCode("InvalidAMIAttributeItemValue")
	default:
		return fault.New(fault.Unsupported, "A permission names a UserId or a Group.")
	}
	return nil
}

func (a api) resetImageAttribute(ctx context.Context, c *wire.Call, in *aws.ResetImageAttributeRequest) (*aws.ResetImageAttributeOutput, error) {
	return nil, a.svc.ResetAMI(ctx, convert.Caller(c), convert.Val(in.ImageId), convert.Val(in.DryRun))
}

func (a api) describeImageAttribute(ctx context.Context, c *wire.Call, in *aws.DescribeImageAttributeRequest) (*aws.ImageAttribute, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	ami, err := a.svc.OwnAMI(ctx, convert.Caller(c), convert.Val(in.ImageId))
	if err != nil {
		return nil, err
	}
	out := &aws.ImageAttribute{ImageId: new(ami.Key.Name)}
	switch convert.Val(in.Attribute) {
	case "description":
		out.Description = &aws.AttributeValue{Value: convert.Opt(ami.Description)}
	case "launchPermission":
		out.LaunchPermissions = []aws.LaunchPermission{}
		if ami.Public {
			out.LaunchPermissions = append(out.LaunchPermissions, aws.LaunchPermission{Group: new(everybody)})
		}
		for _, id := range ami.Shared {
			out.LaunchPermissions = append(out.LaunchPermissions, aws.LaunchPermission{UserId: new(id)})
		}
	case "bootMode":
		out.BootMode = &aws.AttributeValue{Value: convert.Opt(ami.BootMode)}
	case "tpmSupport":
		out.TpmSupport = &aws.AttributeValue{Value: convert.Opt(ami.TPM)}
	case "sriovNetSupport":
		out.SriovNetSupport = &aws.AttributeValue{Value: new("simple")}
	case "blockDeviceMapping":
		out.BlockDeviceMappings = imageShape(ami).BlockDeviceMappings
	case "productCodes":
		out.ProductCodes = []aws.ProductCode{}
	case "deregistrationProtection":
		out.DeregistrationProtection = &aws.AttributeValue{Value: new("disabled")}
	case "kernel", "ramdisk", "uefiData", "lastLaunchedTime", "imdsSupport":
		// Nothing that an image here has.
	default:
		return nil, fault.New(fault.BadValue, "Value (%s) for parameter attribute is invalid.", convert.Val(in.Attribute))
	}
	return out, nil
}

func (a api) modifySnapshotAttribute(ctx context.Context, c *wire.Call, in *aws.ModifySnapshotAttributeRequest) (*aws.ModifySnapshotAttributeOutput, error) {
	if at := convert.Val(in.Attribute); at != "" && at != "createVolumePermission" {
		return nil, fault.New(fault.BadValue, "Value (%s) for parameter attribute is invalid.", at).WithHint("createVolumePermission can be modified.")
	}
	g, err := oldGrant(in.OperationType, in.UserIds, in.GroupNames)
	if err != nil {
		return nil, err
	}
	if p := in.CreateVolumePermission; p != nil {
		for _, l := range p.Add {
			if err := grant(&g.Add, &g.AddAll, l.UserId, l.Group); err != nil {
				return nil, err
			}
		}
		for _, l := range p.Remove {
			if err := grant(&g.Remove, &g.RemoveAll, l.UserId, l.Group); err != nil {
				return nil, err
			}
		}
	}
	return nil, a.svc.ShareSnapshot(ctx, convert.Caller(c), convert.Val(in.SnapshotId), g, convert.Val(in.DryRun))
}

func (a api) describeSnapshotAttribute(ctx context.Context, c *wire.Call, in *aws.DescribeSnapshotAttributeRequest) (*aws.DescribeSnapshotAttributeResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	n, err := a.svc.OwnSnapshot(ctx, convert.Caller(c), convert.Val(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeSnapshotAttributeResult{SnapshotId: new(n.Key.Name)}
	if convert.Val(in.Attribute) == "productCodes" {
		return out, nil
	}
	out.CreateVolumePermissions = []aws.CreateVolumePermission{}
	if n.Public {
		out.CreateVolumePermissions = append(out.CreateVolumePermissions, aws.CreateVolumePermission{Group: new(everybody)})
	}
	for _, id := range slices.Sorted(slices.Values(n.Shared)) {
		out.CreateVolumePermissions = append(out.CreateVolumePermissions, aws.CreateVolumePermission{UserId: new(id)})
	}
	return out, nil
}
