// Package ec2 answers the EC2 operations around machine images and snapshots.
package ec2

import (
	"sort"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	aws "slipway/wire/ec2"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return []convert.Row{
		convert.On(aws.OpRegisterImage, a.registerImage, nil),
		convert.On(aws.OpDescribeImages, a.describeImages, nil),
		convert.On(aws.OpDeregisterImage, a.deregisterImage, func(c domain.Caller, in *aws.DeregisterImageRequest) []string {
			return []string{domain.ARN("ec2", c.Region, "", "image/"+convert.Val(in.ImageId))}
		}),
		convert.On(aws.OpDescribeSnapshots, a.describeSnapshots, nil),
		convert.On(aws.OpCopyImage, a.copyImage, nil),
		convert.On(aws.OpCopySnapshot, a.copySnapshot, nil),
		convert.On(aws.OpCreateSecurityGroup, a.createSecurityGroup, nil),
		convert.On(aws.OpCreateSubnet, a.createSubnet, nil),
		convert.On(aws.OpCreateTags, a.createTags, nil),
		convert.On(aws.OpCreateVpc, a.createVpc, nil),
		convert.On(aws.OpDeleteSecurityGroup, a.deleteSecurityGroup, nil),
		convert.On(aws.OpDeleteSnapshot, a.deleteSnapshot, nil),
		convert.On(aws.OpDeleteSubnet, a.deleteSubnet, nil),
		convert.On(aws.OpDeleteTags, a.deleteTags, nil),
		convert.On(aws.OpDeleteVpc, a.deleteVpc, nil),
		convert.On(aws.OpDescribeAvailabilityZones, a.describeAvailabilityZones, nil),
		convert.On(aws.OpDescribeImageAttribute, a.describeImageAttribute, nil),
		convert.On(aws.OpDescribeRegions, a.describeRegions, nil),
		convert.On(aws.OpDescribeSecurityGroups, a.describeSecurityGroups, nil),
		convert.On(aws.OpDescribeSnapshotAttribute, a.describeSnapshotAttribute, nil),
		convert.On(aws.OpDescribeSubnets, a.describeSubnets, nil),
		convert.On(aws.OpDescribeTags, a.describeTags, nil),
		convert.On(aws.OpDescribeVpcs, a.describeVpcs, nil),
		convert.On(aws.OpModifyImageAttribute, a.modifyImageAttribute, nil),
		convert.On(aws.OpModifySnapshotAttribute, a.modifySnapshotAttribute, nil),
		convert.On(aws.OpResetImageAttribute, a.resetImageAttribute, nil),
		convert.On(aws.OpImportImage, a.importImage, nil),
		convert.On(aws.OpImportSnapshot, a.importSnapshot, nil),
		convert.On(aws.OpDescribeImportImageTasks, a.describeImportImageTasks, nil),
		convert.On(aws.OpDescribeImportSnapshotTasks, a.describeImportSnapshotTasks, nil),
		convert.On(aws.OpCancelImportTask, a.cancelImportTask, nil),
		convert.On(aws.OpExportImage, a.exportImage, nil),
		convert.On(aws.OpDescribeExportImageTasks, a.describeExportImageTasks, nil),
		convert.On(aws.OpCancelExportTask, a.cancelExportTask, nil),
	}
}

// Errors maps kinds to EC2's client errors. EC2 models none: a fault's own
// Code is the finer word where there is one.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:       "InvalidParameterValue",
		fault.BadCombination: "InvalidParameterCombination",
		fault.NotFound:       "InvalidParameterValue",
		fault.Exists:         "InvalidParameterValue",
		fault.InUse:          "InvalidAMIID.Unavailable",
		fault.WrongState:     "IncorrectState",
		fault.NotAvailable:   "IncorrectState",
		fault.Busy:           "IncorrectState",
		fault.Quota:          "ResourceLimitExceeded",
		fault.Denied:         "UnauthorizedOperation",
		fault.Unsupported:    "UnsupportedOperation",
		fault.Unavailable:    "Unavailable",
		fault.DryRun:         "DryRunOperation",
	},
	Open:     true,
	Codes:    true,
	Statuses: map[string]int{"DryRunOperation": 412, "UnauthorizedOperation": 403, "AuthFailure": 403, "Unavailable": 503},
}

func dryRun(set *bool) error {
	if convert.Val(set) {
		return fault.New(fault.DryRun, "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

// tagsFor reads the tags meant for one type of resource.
func tagsFor(specs []aws.TagSpecification, types ...string) (map[string]domain.Tags, error) {
	out := map[string]domain.Tags{}
	for _, t := range types {
		out[t] = nil
	}
	for _, s := range specs {
		t := convert.Val(s.ResourceType)
		if _, ok := out[t]; !ok {
			return nil, fault.New(fault.BadValue, "'%s' is not a valid taggable resource type for this operation.", t)
		}
		for _, tag := range s.Tags {
			if out[t] == nil {
				out[t] = domain.Tags{}
			}
			out[t][convert.Val(tag.Key)] = convert.Val(tag.Value)
		}
	}
	return out, nil
}

func tagList(tags domain.Tags) []aws.Tag {
	var out []aws.Tag
	for k, v := range tags {
		out = append(out, aws.Tag{Key: new(k), Value: new(v)})
	}
	sort.Slice(out, func(i, j int) bool { return *out[i].Key < *out[j].Key })
	return out
}
