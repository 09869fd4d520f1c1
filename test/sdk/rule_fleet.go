package sdk

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

var newFleetRules = []rule{
	{"a new fleet is stopped", takesFleet(nil, func(f *types.Fleet) bool { return f.State == types.FleetStateStopped })},
	{"a fleet is always-on unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return f.FleetType == types.FleetTypeAlwaysOn })},
	{"a fleet shows applications unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return f.StreamView == types.StreamViewApp })},
	{"a session lasts 16 hours unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return *f.MaxUserDurationInSeconds == 57600 })},
	{"a session waits 15 minutes for its user unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return *f.DisconnectTimeoutInSeconds == 900 })},
	{"a user may do nothing for ever unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return *f.IdleDisconnectTimeoutInSeconds == 0 })},
	{"a fleet has no internet unless said otherwise", takesFleet(nil, func(f *types.Fleet) bool { return !*f.EnableDefaultInternetAccess })},
	{"a fleet tells no root volume that it was not given", takesFleet(nil, func(f *types.Fleet) bool { return f.RootVolumeConfig == nil })},
	{"an empty domain join is none", takesFleet(func(in *fleetInput) { in.DomainJoinInfo = &types.DomainJoinInfo{} }, func(f *types.Fleet) bool { return f.DomainJoinInfo == nil })},
	{"a fleet that is named the image tells its ARN", takesFleet(nil, func(f *types.Fleet) bool {
		return *f.ImageName == imported && *f.ImageArn == "arn:aws:appstream:us-east-1:123456789012:image/imported"
	})},
	{"a fleet that is given the ARN of an image tells its name", takesFleet(func(in *fleetInput) {
		in.ImageName, in.ImageArn = nil, aws.String("arn:aws:appstream:us-east-1:123456789012:image/imported")
	}, func(f *types.Fleet) bool { return *f.ImageName == imported })},
	{"an image may be given by name and ARN at once", takesFleet(func(in *fleetInput) {
		in.ImageArn = aws.String("arn:aws:appstream:us-east-1:123456789012:image/imported")
	}, func(f *types.Fleet) bool { return *f.ImageName == imported })},
	{"name and ARN are of one image", refusesFleet(func(in *fleetInput) {
		in.ImageArn = aws.String("arn:aws:appstream:us-east-1::image/server2022")
	}, badCombination, "different images")},
	{"a fleet has the platform of its image", takesFleet(nil, func(f *types.Fleet) bool { return f.Platform == types.PlatformTypeWindowsServer2022 })},
	{"no machines at all may be wanted", takesFleet(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(0) },
		func(f *types.Fleet) bool { return *f.ComputeCapacityStatus.Desired == 0 })},
	{"a tag without a value has an empty one", func(w *house) {
		f, err := w.newFleet(func(in *fleetInput) { in.Tags = map[string]string{"k": ""} })
		w.ok(err)
		out, err := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: f.Arn})
		w.ok(err)
		if v, there := out.Tags["k"]; !there || v != "" {
			w.t.Errorf("%v", out.Tags)
		}
	}},
	{"the name of a fleet is taken once", func(w *house) {
		_, err := w.newFleet(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.refuses(err, isA[*types.ResourceAlreadyExistsException], "f already exists")
	}},
	{"a fleet needs an image", refusesFleet(func(in *fleetInput) { in.ImageName = nil }, badCombination, "neither the image name nor image arn had been set")},
	{"an image that is not there may be one that is not there yet", refusesFleet(func(in *fleetInput) { in.ImageName = aws.String("none") }, notFound, "The image none for account 123456789012 does not exist.")},
	{"a fleet needs a capacity", refusesFleet(func(in *fleetInput) { in.ComputeCapacity = nil }, badCombination, "DesiredInstances")},
	{"a fleet wants machines or sessions and not both", refusesFleet(func(in *fleetInput) { in.ComputeCapacity.DesiredSessions = aws.Int32(1) }, badCombination, "exactly one")},
	{"a fleet with one session a machine wants machines", refusesFleet(func(in *fleetInput) {
		in.ComputeCapacity = &types.ComputeCapacity{DesiredSessions: aws.Int32(1)}
	}, badCombination, "MaxSessionsPerInstance")},
	{"a fleet with several sessions a machine wants sessions", refusesFleet(func(in *fleetInput) { in.MaxSessionsPerInstance = aws.Int32(2) }, badCombination, "DesiredSessions")},
	{"the number of sessions is that of elastic fleets alone", refusesFleet(func(in *fleetInput) { in.MaxConcurrentSessions = aws.Int32(5) }, badCombination, "Elastic")},
	{"a script in a bucket is for elastic fleets alone", refusesFleet(func(in *fleetInput) {
		in.SessionScriptS3Location = &types.S3Location{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
	}, badCombination, "Elastic")},
	{"a domain is joined with a directory config that is there", refusesFleet(func(in *fleetInput) {
		in.DomainJoinInfo = &types.DomainJoinInfo{DirectoryName: aws.String("corp.example.com"), OrganizationalUnitDistinguishedName: aws.String("OU=a")}
	}, notFound, "directory config corp.example.com")},
	{"security groups need subnets", refusesFleet(func(in *fleetInput) {
		in.VpcConfig = &types.VpcConfig{SecurityGroupIds: []string{"sg-0123456789abcdef0"}}
	}, badCombination, "SubnetIds")},
	{"the role must be there", refusesFleet(func(in *fleetInput) { in.IamRoleArn = aws.String("arn:aws:iam::123456789012:role/none") }, badRole,
		"encountered an error because your IAM role 'arn:aws:iam::123456789012:role/none' is invalid")},
	{"the role must trust the service", func(w *house) {
		arn := w.newRole("fleet-untrusting", otherTrust)
		refusesFleet(func(in *fleetInput) { in.IamRoleArn = &arn }, badRole, "encountered an error because your IAM role")(w)
	}},
	{"too many machines are refused in the words of the service", refusesFleet(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(51) }, overLimit,
		"The Instance type 'GeneralPurpose.m7i.large' capacity limit for fleet f' was exceeded. Requested: 51, Limit: 50")},
	{"a name breaks the pattern", refusesFleet(func(in *fleetInput) { in.Name = aws.String("-f") }, badConstraint, "'name'")},
}

// number is a member of CreateFleet with bounds.
func number(name string, set func(in *fleetInput, n int32), least, most int32) []rule {
	taken := func(n int32) func(w *house) {
		return takesFleet(func(in *fleetInput) { set(in, n) }, func(f *types.Fleet) bool { return f != nil })
	}
	refused := func(n int32) func(w *house) {
		return refusesFleet(func(in *fleetInput) { set(in, n) }, badValue, "must be from")
	}
	return []rule{
		{name + " at its least", taken(least)}, {name + " at its most", taken(most)},
		{name + " below its least", refused(least - 1)}, {name + " above its most", refused(most + 1)},
	}
}

var fleetValueRules = append(append(append(append(append([]rule{
	{"the idle limit is told as it was given", takesFleet(func(in *fleetInput) { in.IdleDisconnectTimeoutInSeconds = aws.Int32(70) },
		func(f *types.Fleet) bool { return *f.IdleDisconnectTimeoutInSeconds == 70 })},
	{"an idle limit of none is taken", takesFleet(func(in *fleetInput) { in.IdleDisconnectTimeoutInSeconds = aws.Int32(0) }, func(f *types.Fleet) bool { return *f.IdleDisconnectTimeoutInSeconds == 0 })},
	{"a disconnect timeout of none is refused", refusesFleet(func(in *fleetInput) { in.DisconnectTimeoutInSeconds = aws.Int32(0) }, badValue, "from 60 to 36000")},
	{"a capacity is not negative", refusesFleet(func(in *fleetInput) { in.ComputeCapacity.DesiredInstances = aws.Int32(-1) }, badValue, "negative")},
	{"a fleet has five security groups at most", refusesFleet(func(in *fleetInput) {
		in.VpcConfig = &types.VpcConfig{SubnetIds: []string{"subnet-1"}, SecurityGroupIds: []string{"sg-1", "sg-2", "sg-3", "sg-4", "sg-5", "sg-6"}}
	}, badConstraint, "securityGroupIds")},
},
	number("the duration of a session", func(in *fleetInput, n int32) { in.MaxUserDurationInSeconds = &n }, 600, 432000)...),
	number("the disconnect timeout", func(in *fleetInput, n int32) { in.DisconnectTimeoutInSeconds = &n }, 60, 36000)...),
	number("the idle limit", func(in *fleetInput, n int32) { in.IdleDisconnectTimeoutInSeconds = &n }, 60, 36000)...),
	number("the root volume", func(in *fleetInput, n int32) { in.RootVolumeConfig = &types.VolumeConfig{VolumeSizeInGb: &n} }, 200, 500)...),
	number("the sessions of a machine", func(in *fleetInput, n int32) {
		in.MaxSessionsPerInstance, in.ComputeCapacity = &n, &types.ComputeCapacity{DesiredSessions: aws.Int32(1)}
	}, 1, 50)...)

// elastic makes a request for an elastic fleet that is taken.
func (w *house) elastic(change func(in *fleetInput)) func(in *fleetInput) {
	return func(in *fleetInput) {
		*in = fleetInput{Name: in.Name, FleetType: types.FleetTypeElastic, InstanceType: aws.String("stream.standard.small"), Platform: types.PlatformTypeWindowsServer2019,
			MaxConcurrentSessions: aws.Int32(5), VpcConfig: &types.VpcConfig{SubnetIds: []string{w.subnets[0], w.subnets[1]}}}
		if change != nil {
			change(in)
		}
	}
}

func refusesElastic(change func(in *fleetInput), is check, words ...string) func(w *house) {
	return func(w *house) { refusesFleet(w.elastic(change), is, words...)(w) }
}

var elasticFleetRules = []rule{
	{"an elastic fleet has no image and no machines", func(w *house) {
		takesFleet(w.elastic(nil), func(f *types.Fleet) bool {
			return f.State == types.FleetStateStopped && f.ImageName == nil && f.ImageArn == nil && *f.MaxConcurrentSessions == 5 && f.Platform == types.PlatformTypeWindowsServer2019
		})(w)
	}},
	{"an elastic fleet takes a script in a bucket", func(w *house) {
		takesFleet(w.elastic(func(in *fleetInput) {
			in.SessionScriptS3Location = &types.S3Location{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}), func(f *types.Fleet) bool { return *f.SessionScriptS3Location.S3Key == "k" })(w)
	}},
	{"the script of an elastic fleet needs a key", refusesElastic(func(in *fleetInput) {
		in.SessionScriptS3Location = &types.S3Location{S3Bucket: aws.String("bucket")}
	}, badCombination, "S3Key")},
	{"an elastic fleet needs a platform", refusesElastic(func(in *fleetInput) { in.Platform = "" }, badCombination, "Platform")},
	{"an elastic fleet needs its number of sessions", refusesElastic(func(in *fleetInput) { in.MaxConcurrentSessions = nil }, badCombination, "MaxConcurrentSessions")},
	{"an elastic fleet needs subnets", refusesElastic(func(in *fleetInput) { in.VpcConfig = nil }, badCombination, "at least 2 subnets")},
	{"an elastic fleet needs two subnets", refusesElastic(func(in *fleetInput) { in.VpcConfig.SubnetIds = in.VpcConfig.SubnetIds[:1] }, badCombination, "at least 2 subnets")},
	{"the subnets of an elastic fleet are in different zones", refusesElastic(func(in *fleetInput) { in.VpcConfig.SubnetIds[1] = in.VpcConfig.SubnetIds[0] }, badCombination, "different availability zones")},
	{"an elastic fleet takes no image", refusesElastic(func(in *fleetInput) { in.ImageName = aws.String("server2022") }, badCombination, "no image")},
	{"an elastic fleet takes no capacity", refusesElastic(func(in *fleetInput) { in.ComputeCapacity = one() }, badCombination, "ComputeCapacity")},
	{"an elastic fleet joins no domain", refusesElastic(func(in *fleetInput) { in.DomainJoinInfo = &types.DomainJoinInfo{DirectoryName: aws.String("corp")} }, badCombination, "DomainJoinInfo")},
	{"an elastic fleet has one session a machine", refusesElastic(func(in *fleetInput) { in.MaxSessionsPerInstance = aws.Int32(2) }, badCombination, "MaxSessionsPerInstance")},
	{"an elastic fleet has a standard type", refusesElastic(func(in *fleetInput) { in.InstanceType = aws.String("stream.compute.large") }, badValue, "Elastic")},
	{"an elastic fleet is not started before app blocks are served", func(w *house) {
		_, err := w.newFleet(w.elastic(nil))
		w.ok(err)
		_, err = w.app.StartFleet(w.ctx, &appstream.StartFleetInput{Name: aws.String("f")})
		w.refuses(err, notPermitted, "app blocks are not served yet")
	}},
}

// on is a request for an image on an instance type.
func on(image, instanceType string) func(in *fleetInput) {
	return func(in *fleetInput) { in.ImageName, in.InstanceType = &image, &instanceType }
}

func runs(image, instanceType string) func(w *house) {
	return takesFleet(on(image, instanceType), func(f *types.Fleet) bool { return *f.InstanceType == instanceType })
}

func runsNot(image, instanceType string) func(w *house) {
	return refusesFleet(on(image, instanceType), badCombination, "The combination of instance type "+instanceType+" and image instance family")
}

func several(image string) func(in *fleetInput) {
	return func(in *fleetInput) {
		in.ImageName, in.InstanceType, in.MaxSessionsPerInstance = &image, aws.String("stream.standard.large"), aws.Int32(2)
		in.ComputeCapacity = &types.ComputeCapacity{DesiredSessions: aws.Int32(3)}
	}
}

var fleetImageRules = []rule{
	{"a native image runs on stream types", runs("server2022", "stream.standard.medium")},
	{"a native image does not run on general purpose types", runsNot("server2022", "GeneralPurpose.m7i.large")},
	{"an imported image runs on general purpose types", runs(imported, "GeneralPurpose.m7i.2xlarge")},
	{"an imported image runs on compute optimized types", runs(imported, "ComputeOptimized.c7i.large")},
	{"an imported image runs on memory optimized types", runs(imported, "MemoryOptimized.r7i.large")},
	{"an imported image does not run on stream types", runsNot(imported, "stream.standard.medium")},
	{"an image runs on the families that it names", runs("server2022", "stream.compute.large")},
	{"an image does not run on families that it does not name", runsNot("server2022", "stream.memory.large")},
	{"an image without graphics does not run on graphics types", runsNot("server2022", "stream.graphics.g4dn.xlarge")},
	{"a graphics image runs on its own family", runs("g4", "stream.graphics.g4dn.xlarge")},
	{"a graphics image does not run on another graphics family", runsNot("g4", "stream.graphics.g5.xlarge")},
	{"a unified graphics image runs on each of its families", runs("unified", "stream.graphics.g6.xlarge")},
	{"fleets have types that image builders do not have", runs("server2022", "stream.standard.xlarge")},
	{"a type that is not known is refused", refusesFleet(on(imported, "stream.huge.large"), badValue, "stream.huge.large is not supported")},
	{"a type at its end of life is refused", refusesFleet(on("unified", "stream.graphics-design.large"), badValue, "end of life")},
	{"another platform than the image's is refused", refusesFleet(func(in *fleetInput) { in.Platform = types.PlatformTypeRhel8 }, badCombination, "RHEL8")},
	{"a Windows server has several sessions a machine", takesFleet(several("server2022"), func(f *types.Fleet) bool { return *f.MaxSessionsPerInstance == 2 })},
	{"Linux has one session a machine", refusesFleet(several("linux"), incompatible, "several sessions")},
	{"sessions take as many machines as hold them", takesFleet(several("server2022"), func(f *types.Fleet) bool { return *f.ComputeCapacityStatus.Desired == 2 })},
}
