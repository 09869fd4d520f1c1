package sdk

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

type updateInput = appstream.UpdateFleetInput

// stoppedTakes is a rule about an update of a fleet that is stopped.
func stoppedTakes(made func(in *fleetInput), change func(in *updateInput), says func(f *types.Fleet) bool) func(w *house) {
	return func(w *house) {
		_, err := w.newFleet(made)
		w.ok(err)
		f, err := w.update(change)
		w.ok(err)
		if !says(f) || !says(w.fleet("f")) {
			w.t.Errorf("%+v", f)
		}
	}
}

func stoppedRefuses(made func(in *fleetInput), change func(in *updateInput), is check, words ...string) func(w *house) {
	return func(w *house) {
		_, err := w.newFleet(made)
		w.ok(err)
		_, err = w.update(change)
		w.refuses(err, is, words...)
	}
}

// camera is a USB device in the form that fleets know them by.
var camera = []string{"Camera,046d,082d,*,*,*,1,1"}

func drop(words ...types.FleetAttribute) func(in *updateInput) {
	return func(in *updateInput) { in.AttributesToDelete = words }
}

func inSubnets(in *fleetInput) {
	in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-0123456789abcdef0"}, SecurityGroupIds: []string{"sg-0123456789abcdef0"}}
}

var stoppedFleetRules = []rule{
	{"a stopped fleet takes a display name", stoppedTakes(nil, func(in *updateInput) { in.DisplayName = aws.String("F") }, func(f *types.Fleet) bool { return *f.DisplayName == "F" })},
	{"a stopped fleet takes a description", stoppedTakes(nil, func(in *updateInput) { in.Description = aws.String("d") }, func(f *types.Fleet) bool { return *f.Description == "d" })},
	{"a stopped fleet takes a capacity", stoppedTakes(nil, func(in *updateInput) { in.ComputeCapacity = &types.ComputeCapacity{DesiredInstances: aws.Int32(3)} },
		func(f *types.Fleet) bool { return *f.ComputeCapacityStatus.Desired == 3 })},
	{"a stopped fleet takes times", stoppedTakes(nil, func(in *updateInput) {
		in.MaxUserDurationInSeconds, in.DisconnectTimeoutInSeconds, in.IdleDisconnectTimeoutInSeconds = aws.Int32(600), aws.Int32(60), aws.Int32(120)
	}, func(f *types.Fleet) bool {
		return *f.MaxUserDurationInSeconds == 600 && *f.DisconnectTimeoutInSeconds == 60 && *f.IdleDisconnectTimeoutInSeconds == 120
	})},
	{"a stopped fleet takes a view", stoppedTakes(nil, func(in *updateInput) { in.StreamView = types.StreamViewDesktop }, func(f *types.Fleet) bool { return f.StreamView == types.StreamViewDesktop })},
	{"a stopped fleet takes the internet", stoppedTakes(nil, func(in *updateInput) { in.EnableDefaultInternetAccess = aws.Bool(true) }, func(f *types.Fleet) bool { return *f.EnableDefaultInternetAccess })},
	{"a stopped fleet takes subnets", stoppedTakes(nil, func(in *updateInput) {
		in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-0123456789abcdef0"}}
	},
		func(f *types.Fleet) bool { return f.VpcConfig.SubnetIds[0] == "subnet-0123456789abcdef0" })},
	{"a stopped fleet takes a role", func(w *house) {
		stoppedTakes(nil, func(in *updateInput) { in.IamRoleArn = &w.role }, func(f *types.Fleet) bool { return *f.IamRoleArn == w.role })(w)
	}},
	{"a stopped fleet takes a root volume", stoppedTakes(nil, func(in *updateInput) { in.RootVolumeConfig = &types.VolumeConfig{VolumeSizeInGb: aws.Int32(300)} },
		func(f *types.Fleet) bool { return *f.RootVolumeConfig.VolumeSizeInGb == 300 })},
	{"a stopped fleet takes USB filters", stoppedTakes(nil, func(in *updateInput) { in.UsbDeviceFilterStrings = camera }, func(f *types.Fleet) bool { return f.UsbDeviceFilterStrings[0] == camera[0] })},
	{"a stopped fleet takes several sessions a machine", stoppedTakes(nil, func(in *updateInput) {
		in.MaxSessionsPerInstance, in.ComputeCapacity = aws.Int32(4), &types.ComputeCapacity{DesiredSessions: aws.Int32(8)}
	}, func(f *types.Fleet) bool {
		return *f.MaxSessionsPerInstance == 4 && *f.ComputeCapacityStatus.Desired == 2
	})},
	{"a stopped fleet takes a larger type of its family", stoppedTakes(nil, func(in *updateInput) { in.InstanceType = aws.String("GeneralPurpose.m7i.xlarge") },
		func(f *types.Fleet) bool { return *f.InstanceType == "GeneralPurpose.m7i.xlarge" })},
	{"a fleet stays in its family of types", stoppedRefuses(nil, func(in *updateInput) { in.InstanceType = aws.String("MemoryOptimized.r7i.large") }, badCombination, "family")},
	{"a fleet of a unified graphics image goes from one graphics family to another", stoppedTakes(on("unified", "stream.graphics.g4dn.xlarge"),
		func(in *updateInput) { in.InstanceType = aws.String("stream.graphics.g5.xlarge") }, func(f *types.Fleet) bool { return *f.InstanceType == "stream.graphics.g5.xlarge" })},
	{"a fleet of a graphics image of one family stays in it", stoppedRefuses(on("g4", "stream.graphics.g4dn.xlarge"),
		func(in *updateInput) { in.InstanceType = aws.String("stream.graphics.g5.xlarge") }, badCombination, "family")},
	{"a stopped fleet takes an image of another operating system", stoppedTakes(on("server2022", "stream.standard.medium"), func(in *updateInput) { in.ImageName = aws.String("linux") },
		func(f *types.Fleet) bool { return f.Platform == types.PlatformTypeRhel8 && *f.ImageName == "linux" })},
	{"an image must fit the type that a fleet has", stoppedRefuses(nil, func(in *updateInput) { in.ImageName = aws.String("server2022") }, badCombination, "image instance family")},
	{"the type of a fleet is no part of an update", func(w *house) {
		f, err := w.newFleet(func(in *fleetInput) { in.FleetType = types.FleetTypeOnDemand })
		w.ok(err)
		after, err := w.update(func(in *updateInput) { in.Description = aws.String("d") })
		w.ok(err)
		if after.FleetType != f.FleetType {
			w.t.Errorf("it was %s and is %s", f.FleetType, after.FleetType)
		}
	}},
	{"an update has the ranges of a creation", stoppedRefuses(nil, func(in *updateInput) { in.MaxUserDurationInSeconds = aws.Int32(599) }, badValue, "from 600 to 432000")},
	{"an update needs a name", func(w *house) {
		_, err := w.app.UpdateFleet(w.ctx, &updateInput{Description: aws.String("d")})
		w.refuses(err, badConstraint, "'name'", "null")
	}},
	{"an update is of a fleet that is there", func(w *house) {
		_, err := w.update(func(in *updateInput) { in.Description = aws.String("d") })
		w.refuses(err, notFound, "The fleet f for account 123456789012 does not exist.")
	}},
	{"an update with an empty domain join changes nothing", stoppedTakes(nil, func(in *updateInput) { in.DomainJoinInfo = &types.DomainJoinInfo{} }, func(f *types.Fleet) bool { return f.DomainJoinInfo == nil })},
	{"the VPC configuration can be deleted", stoppedTakes(inSubnets, drop(types.FleetAttributeVpcConfiguration), func(f *types.Fleet) bool { return f.VpcConfig == nil })},
	//lint:ignore SA1019 older clients send it
	{"the VPC configuration can be deleted the older way", stoppedTakes(inSubnets, func(in *updateInput) { in.DeleteVpcConfig = aws.Bool(true) }, func(f *types.Fleet) bool { return f.VpcConfig == nil })},
	{"the security groups can be deleted alone", stoppedTakes(inSubnets, drop(types.FleetAttributeVpcConfigurationSecurityGroupIds),
		func(f *types.Fleet) bool {
			return len(f.VpcConfig.SubnetIds) == 1 && len(f.VpcConfig.SecurityGroupIds) == 0
		})},
	{"the domain join can be deleted", stoppedTakes(nil, drop(types.FleetAttributeDomainJoinInfo), func(f *types.Fleet) bool { return f.DomainJoinInfo == nil })},
	{"the role can be deleted", func(w *house) {
		stoppedTakes(func(in *fleetInput) { in.IamRoleArn = &w.role }, drop(types.FleetAttributeIamRoleArn), func(f *types.Fleet) bool { return f.IamRoleArn == nil })(w)
	}},
	{"the USB filters can be deleted", stoppedTakes(func(in *fleetInput) { in.UsbDeviceFilterStrings = camera }, drop(types.FleetAttributeUsbDeviceFilterStrings),
		func(f *types.Fleet) bool { return len(f.UsbDeviceFilterStrings) == 0 })},
	{"the session script can be deleted", func(w *house) {
		stoppedTakes(w.elastic(func(in *fleetInput) {
			in.SessionScriptS3Location = &types.S3Location{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}), drop(types.FleetAttributeSessionScriptS3Location), func(f *types.Fleet) bool { return f.SessionScriptS3Location == nil })(w)
	}},
	{"several sessions a machine can be deleted", stoppedTakes(several("server2022"), func(in *updateInput) {
		in.AttributesToDelete, in.ComputeCapacity = []types.FleetAttribute{types.FleetAttributeMaxSessionsPerInstance}, one()
	}, func(f *types.Fleet) bool {
		return f.MaxSessionsPerInstance == nil && *f.ComputeCapacityStatus.Desired == 1
	})},
	{"a fleet whose several sessions a machine are deleted wants the machines that it had", stoppedTakes(several("server2022"),
		drop(types.FleetAttributeMaxSessionsPerInstance), func(f *types.Fleet) bool {
			return f.MaxSessionsPerInstance == nil && f.ComputeCapacityStatus.DesiredUserSessions == nil && *f.ComputeCapacityStatus.Desired == 2
		})},
	{"the root volume can be deleted and has 200 GiB again", stoppedTakes(func(in *fleetInput) { in.RootVolumeConfig = &types.VolumeConfig{VolumeSizeInGb: aws.Int32(300)} },
		drop(types.FleetAttributeVolumeConfiguration), func(f *types.Fleet) bool { return *f.RootVolumeConfig.VolumeSizeInGb == 200 })},
	{"nothing is set and deleted at once", stoppedRefuses(nil, func(in *updateInput) {
		in.RootVolumeConfig, in.AttributesToDelete = &types.VolumeConfig{VolumeSizeInGb: aws.Int32(300)}, []types.FleetAttribute{types.FleetAttributeVolumeConfiguration}
	}, badCombination, "at once")},
}

func runningTakes(made func(in *fleetInput), change func(in *updateInput), says func(f *types.Fleet) bool) func(w *house) {
	return func(w *house) {
		w.started(made)
		f, err := w.update(change)
		w.ok(err)
		if !says(f) || f.State != types.FleetStateRunning {
			w.t.Errorf("%+v", f)
		}
	}
}

// runningRefuses is a rule about an attribute that takes a stopped fleet.
func runningRefuses(change func(in *updateInput)) func(w *house) {
	return func(w *house) {
		w.started(nil)
		_, err := w.update(change)
		w.refuses(err, inUse, "Cannot update the attribute for fleet f when it is ACTIVE. The fleet must be stopped to complete this action.")
	}
}

var runningFleetRules = []rule{
	{"a running fleet takes a display name", runningTakes(nil, func(in *updateInput) { in.DisplayName = aws.String("F") }, func(f *types.Fleet) bool { return *f.DisplayName == "F" })},
	{"a running fleet takes a capacity", runningTakes(nil, func(in *updateInput) { in.ComputeCapacity = &types.ComputeCapacity{DesiredInstances: aws.Int32(2)} },
		func(f *types.Fleet) bool { return *f.ComputeCapacityStatus.Desired == 2 })},
	{"a running fleet takes the disconnect timeout", runningTakes(nil, func(in *updateInput) { in.DisconnectTimeoutInSeconds = aws.Int32(60) }, func(f *types.Fleet) bool { return *f.DisconnectTimeoutInSeconds == 60 })},
	{"a running fleet takes the idle limit", runningTakes(nil, func(in *updateInput) { in.IdleDisconnectTimeoutInSeconds = aws.Int32(60) }, func(f *types.Fleet) bool { return *f.IdleDisconnectTimeoutInSeconds == 60 })},
	{"a running fleet takes an image of its operating system by name", runningTakes(on("server2022", "stream.standard.medium"), func(in *updateInput) { in.ImageName = aws.String("server2022b") },
		func(f *types.Fleet) bool { return *f.ImageName == "server2022b" })},
	{"a running fleet takes an image of its operating system by ARN", runningTakes(on("server2022", "stream.standard.medium"),
		func(in *updateInput) { in.ImageArn = aws.String("arn:aws:appstream:us-east-1::image/server2022b") }, func(f *types.Fleet) bool { return *f.ImageName == "server2022b" })},
	{"a running fleet takes its sessions a machine together with a capacity", runningTakes(several("server2022"), func(in *updateInput) {
		in.MaxSessionsPerInstance, in.ComputeCapacity = aws.Int32(3), &types.ComputeCapacity{DesiredSessions: aws.Int32(6)}
	}, func(f *types.Fleet) bool { return *f.MaxSessionsPerInstance == 3 })},
	{"a running fleet refuses an image of another operating system", func(w *house) {
		w.started(on("server2022", "stream.standard.medium"))
		for _, image := range []string{"linux", "server2025"} {
			_, err := w.update(func(in *updateInput) { in.ImageName = &image })
			w.refuses(err, incompatible, "another operating system")
		}
	}},
	{"a running fleet refuses a description", runningRefuses(func(in *updateInput) { in.Description = aws.String("d") })},
	{"a running fleet refuses a type", runningRefuses(func(in *updateInput) { in.InstanceType = aws.String("GeneralPurpose.m7i.xlarge") })},
	{"a running fleet refuses the duration of sessions", runningRefuses(func(in *updateInput) { in.MaxUserDurationInSeconds = aws.Int32(600) })},
	{"a running fleet refuses a view", runningRefuses(func(in *updateInput) { in.StreamView = types.StreamViewDesktop })},
	{"a running fleet refuses the internet", runningRefuses(func(in *updateInput) { in.EnableDefaultInternetAccess = aws.Bool(true) })},
	{"a running fleet refuses subnets", runningRefuses(func(in *updateInput) {
		in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-0123456789abcdef0"}}
	})},
	{"a running fleet refuses a role", func(w *house) { runningRefuses(func(in *updateInput) { in.IamRoleArn = &w.role })(w) }},
	{"a running fleet refuses a root volume", runningRefuses(func(in *updateInput) { in.RootVolumeConfig = &types.VolumeConfig{VolumeSizeInGb: aws.Int32(300)} })},
	{"a running fleet refuses USB filters", runningRefuses(func(in *updateInput) { in.UsbDeviceFilterStrings = camera })},
	{"a running fleet refuses the deletion of what it refuses", func(w *house) {
		w.started(func(in *fleetInput) { in.UsbDeviceFilterStrings = camera })
		_, err := w.update(drop(types.FleetAttributeUsbDeviceFilterStrings))
		w.refuses(err, inUse, "ACTIVE")
	}},
	{"a running fleet refuses sessions a machine without a capacity", func(w *house) {
		w.started(several("server2022"))
		_, err := w.update(func(in *updateInput) { in.MaxSessionsPerInstance = aws.Int32(3) })
		w.refuses(err, inUse, "ACTIVE")
	}},
	{"what does not change is no change of a running fleet", runningTakes(nil, func(in *updateInput) { in.MaxUserDurationInSeconds = aws.Int32(57600) }, func(f *types.Fleet) bool { return true })},
}
