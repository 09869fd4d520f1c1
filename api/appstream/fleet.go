package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

func (a api) createFleet(ctx context.Context, c *wire.Call, in *aws.CreateFleetRequest) (*aws.CreateFleetResult, error) {
	req := service.FleetSpec{
		Name: convert.Val(in.Name), ImageName: convert.Val(in.ImageName), ImageARN: convert.Val(in.ImageArn), Platform: convert.Val(in.Platform), Capacity: fleetSize(in.ComputeCapacity),
		Times: service.FleetTimes{MaxDuration: in.MaxUserDurationInSeconds, Disconnect: in.DisconnectTimeoutInSeconds},
		Fleet: domain.Fleet{
			DisplayName: convert.Val(in.DisplayName), Description: convert.Val(in.Description), Type: convert.Val(in.FleetType), InstanceType: convert.Val(in.InstanceType),
			PerInstance: convert.Val(in.MaxSessionsPerInstance), MaxSessions: convert.Val(in.MaxConcurrentSessions), IdleTimeout: convert.Val(in.IdleDisconnectTimeoutInSeconds),
			RoleARN: convert.Val(in.IamRoleArn), Internet: convert.Val(in.EnableDefaultInternetAccess), StreamView: convert.Val(in.StreamView),
			UsbFilters: in.UsbDeviceFilterStrings, Script: s3Location(in.SessionScriptS3Location), NoIMDSv1: in.DisableIMDSV1, Tags: in.Tags,
		},
	}
	if n := in.MaxSessionsPerInstance; n != nil && *n == 0 {
		req.PerInstance = -1 // what was sent is out of range; 0 stands for what was not
	}
	if v := in.RootVolumeConfig; v != nil {
		req.VolumeGiB = convert.Val(v.VolumeSizeInGb)
	}
	if v := in.VpcConfig; v != nil {
		req.Subnets, req.Groups = v.SubnetIds, v.SecurityGroupIds
	}
	if d := domainJoin(in.DomainJoinInfo); d != nil && d.Directory != "" {
		req.Directory = d
	}
	f, err := a.svc.CreateFleet(ctx, convert.Caller(c), req)
	if err != nil {
		return nil, err
	}
	return &aws.CreateFleetResult{Fleet: fleetShape(f)}, nil
}

func (a api) updateFleet(ctx context.Context, c *wire.Call, in *aws.UpdateFleetRequest) (*aws.UpdateFleetResult, error) {
	if in.Name == nil { // the model lets it out; the service does not
		return nil, wire.Exceptionf("ValidationException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null")
	}
	u := service.FleetUpdate{
		ImageName: in.ImageName, ImageARN: in.ImageArn, InstanceType: in.InstanceType, Capacity: fleetSize(in.ComputeCapacity), MaxDuration: in.MaxUserDurationInSeconds,
		DisconnectTimeout: in.DisconnectTimeoutInSeconds, IdleTimeout: in.IdleDisconnectTimeoutInSeconds, DisplayName: in.DisplayName, Description: in.Description,
		Internet: in.EnableDefaultInternetAccess, Directory: domainJoin(in.DomainJoinInfo), RoleARN: in.IamRoleArn, StreamView: in.StreamView, Platform: in.Platform,
		MaxSessions: in.MaxConcurrentSessions, UsbFilters: in.UsbDeviceFilterStrings, Script: s3Location(in.SessionScriptS3Location), PerInstance: in.MaxSessionsPerInstance,
		NoIMDSv1: in.DisableIMDSV1, Drop: in.AttributesToDelete,
	}
	if v := in.VpcConfig; v != nil {
		u.Subnets, u.Groups = v.SubnetIds, v.SecurityGroupIds
	}
	if v := in.RootVolumeConfig; v != nil {
		u.VolumeGiB = v.VolumeSizeInGb
	}
	if convert.Val(in.DeleteVpcConfig) { // the older way to say so
		u.Drop = append(u.Drop, "VPC_CONFIGURATION")
	}
	f, err := a.svc.UpdateFleet(ctx, convert.Caller(c), *in.Name, u)
	if err != nil {
		return nil, err
	}
	return &aws.UpdateFleetResult{Fleet: fleetShape(f)}, nil
}

func (a api) describeFleets(ctx context.Context, c *wire.Call, in *aws.DescribeFleetsRequest) (*aws.DescribeFleetsResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, next, err := a.svc.Fleets(ctx, convert.Caller(c), in.Names, after, listPage)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeFleetsResult{Fleets: []aws.Fleet{}, NextToken: convert.Token(next)}
	for _, f := range list {
		out.Fleets = append(out.Fleets, *fleetShape(f))
	}
	return out, nil
}

func (a api) startFleet(ctx context.Context, c *wire.Call, in *aws.StartFleetRequest) (*aws.StartFleetResult, error) {
	return &aws.StartFleetResult{}, a.svc.StartFleet(ctx, convert.Caller(c), convert.Val(in.Name))
}

func (a api) stopFleet(ctx context.Context, c *wire.Call, in *aws.StopFleetRequest) (*aws.StopFleetResult, error) {
	return &aws.StopFleetResult{}, a.svc.StopFleet(ctx, convert.Caller(c), convert.Val(in.Name))
}

func (a api) deleteFleet(ctx context.Context, c *wire.Call, in *aws.DeleteFleetRequest) (*aws.DeleteFleetResult, error) {
	return &aws.DeleteFleetResult{}, a.svc.DeleteFleet(ctx, convert.Caller(c), convert.Val(in.Name))
}

func fleetSize(in *aws.ComputeCapacity) service.FleetSize {
	if in == nil {
		return service.FleetSize{}
	}
	return service.FleetSize{Instances: in.DesiredInstances, Sessions: in.DesiredSessions}
}

func s3Location(in *aws.S3Location) *domain.S3Location {
	if in == nil {
		return nil
	}
	return &domain.S3Location{Bucket: convert.Val(in.S3Bucket), Key: convert.Val(in.S3Key)}
}

// domainJoin: clients send an empty structure for none.
func domainJoin(in *aws.DomainJoinInfo) *domain.DomainJoin {
	if in == nil {
		return nil
	}
	return &domain.DomainJoin{Directory: convert.Val(in.DirectoryName), Unit: convert.Val(in.OrganizationalUnitDistinguishedName)}
}

func fleetShape(f service.FleetSeen) *aws.Fleet {
	out := &aws.Fleet{
		Arn: new(domain.FleetARN(f.Key)), Name: new(f.Key.Name), DisplayName: convert.Opt(f.DisplayName), Description: convert.Opt(f.Description),
		ImageName: convert.Opt(f.Image.Name), ImageArn: convert.Opt(f.ImageARN), InstanceType: new(f.InstanceType), FleetType: new(f.Type),
		ComputeCapacityStatus: capacityShape(f), MaxUserDurationInSeconds: new(f.MaxDuration), DisconnectTimeoutInSeconds: new(f.DisconnectTimeout),
		IdleDisconnectTimeoutInSeconds: new(f.IdleTimeout), State: new(string(f.State)), CreatedTime: new(f.Created), EnableDefaultInternetAccess: new(f.Internet),
		IamRoleArn: convert.Opt(f.RoleARN), StreamView: new(f.StreamView), Platform: convert.Opt(f.Platform), MaxConcurrentSessions: convert.Opt(f.MaxSessions),
		UsbDeviceFilterStrings: f.UsbFilters, MaxSessionsPerInstance: convert.Opt(f.PerInstance), DisableIMDSV1: f.NoIMDSv1,
	}
	if len(f.Subnets) > 0 {
		out.VpcConfig = &aws.VpcConfig{SubnetIds: f.Subnets, SecurityGroupIds: f.Groups}
	}
	if s := f.Script; s != nil {
		out.SessionScriptS3Location = &aws.S3Location{S3Bucket: new(s.Bucket), S3Key: convert.Opt(s.Key)}
	}
	if f.VolumeGiB != 0 { // a fleet tells no default, unlike an image builder
		out.RootVolumeConfig = &aws.VolumeConfig{VolumeSizeInGb: new(f.VolumeGiB)}
	}
	for _, e := range f.Errors {
		out.FleetErrors = append(out.FleetErrors, aws.FleetError{ErrorCode: new(e.Code), ErrorMessage: new(e.Message)})
	}
	return out
}

func capacityShape(f service.FleetSeen) *aws.ComputeCapacityStatus {
	n := func(i int) *int64 { return new(int64(i)) }
	c := f.Capacity
	out := &aws.ComputeCapacityStatus{Desired: n(c.Desired), Running: n(c.Running), InUse: n(c.InUse), Available: n(c.Available)}
	if c.Multi {
		out.DesiredUserSessions, out.ActualUserSessions, out.ActiveUserSessions = n(c.DesiredSessions), n(c.ActualSessions), n(c.ActiveSessions)
		out.AvailableUserSessions, out.Draining = n(c.AvailableSessions()), n(c.Draining)
		out.DrainModeActiveUserSessions, out.DrainModeUnusedUserSessions = n(c.DrainingActive), n(c.DrainingUnused)
	}
	return out
}
