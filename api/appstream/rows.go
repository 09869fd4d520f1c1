// Package appstream answers the operations of Amazon WorkSpaces Applications
// (AppStream 2.0): shape in, one use case, shape out.
package appstream

import (
	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	aws "slipway/wire/appstream"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) []convert.Row {
	a := api{s}
	return []convert.Row{
		convert.On(aws.OpCreateImportedImage, a.createImportedImage, nil),
		convert.On(aws.OpDescribeImages, a.describeImages, describedImages).Remembered(),
		convert.On(aws.OpDeleteImage, a.deleteImage, deletedImage),
		convert.On(aws.OpCopyImage, a.copyImage, func(c domain.Caller, in *aws.CopyImageRequest) []string {
			return []string{imageARN(c, convert.Val(in.SourceImageName))}
		}),
		convert.On(aws.OpDescribeImagePermissions, a.describeImagePermissions, func(c domain.Caller, in *aws.DescribeImagePermissionsRequest) []string {
			return []string{imageARN(c, convert.Val(in.Name))}
		}),
		convert.On(aws.OpCreateUpdatedImage, a.createUpdatedImage, nil),
		convert.On(aws.OpUpdateImagePermissions, a.updateImagePermissions, func(c domain.Caller, in *aws.UpdateImagePermissionsRequest) []string {
			return []string{imageARN(c, convert.Val(in.Name))}
		}),
		convert.On(aws.OpDeleteImagePermissions, a.deleteImagePermissions, func(c domain.Caller, in *aws.DeleteImagePermissionsRequest) []string {
			return []string{imageARN(c, convert.Val(in.Name))}
		}),
		convert.On(aws.OpCreateExportImageTask, a.createExportImageTask, exportedImage),
		convert.On(aws.OpGetExportImageTask, a.getExportImageTask, nil),
		convert.On(aws.OpListExportImageTasks, a.listExportImageTasks, nil),
		convert.On(aws.OpCreateImageBuilder, a.createImageBuilder, nil),
		convert.On(aws.OpDescribeImageBuilders, a.describeImageBuilders, nil),
		convert.On(aws.OpStartImageBuilder, a.startImageBuilder, nil),
		convert.On(aws.OpStopImageBuilder, a.stopImageBuilder, nil),
		convert.On(aws.OpDeleteImageBuilder, a.deleteImageBuilder, nil),
		convert.On(aws.OpCreateImageBuilderStreamingURL, a.createImageBuilderStreamingURL, nil),
		convert.On(aws.OpAssociateSoftwareToImageBuilder, a.associateSoftware, nil),
		convert.On(aws.OpDisassociateSoftwareFromImageBuilder, a.disassociateSoftware, nil),
		convert.On(aws.OpStartSoftwareDeploymentToImageBuilder, a.startSoftwareDeployment, nil),
		convert.On(aws.OpDescribeSoftwareAssociations, a.describeSoftwareAssociations, nil),
		convert.On(aws.OpCreateStack, a.createStack, nil),
		convert.On(aws.OpDescribeStacks, a.describeStacks, nil),
		convert.On(aws.OpUpdateStack, a.updateStack, nil),
		convert.On(aws.OpDeleteStack, a.deleteStack, nil),
		convert.On(aws.OpAssociateFleet, a.associateFleet, nil),
		convert.On(aws.OpDisassociateFleet, a.disassociateFleet, nil),
		convert.On(aws.OpListAssociatedFleets, a.listAssociatedFleets, nil),
		convert.On(aws.OpListAssociatedStacks, a.listAssociatedStacks, nil),
		convert.On(aws.OpCreateFleet, a.createFleet, nil),
		convert.On(aws.OpDescribeFleets, a.describeFleets, nil),
		convert.On(aws.OpUpdateFleet, a.updateFleet, nil),
		convert.On(aws.OpStartFleet, a.startFleet, nil),
		convert.On(aws.OpStopFleet, a.stopFleet, nil),
		convert.On(aws.OpDeleteFleet, a.deleteFleet, nil),
		convert.On(aws.OpCreateStreamingURL, a.createStreamingURL, nil),
		convert.On(aws.OpDescribeSessions, a.describeSessions, nil),
		convert.On(aws.OpExpireSession, a.expireSession, nil),
		convert.On(aws.OpDrainSessionInstance, a.drainSessionInstance, nil),
		convert.On(aws.OpTagResource, a.tagResource, taggedResource),
		convert.On(aws.OpUntagResource, a.untagResource, untaggedResource),
		convert.On(aws.OpListTagsForResource, a.listTagsForResource, listedResource),
	}
}

// Errors maps kinds to the service's exceptions. Where an operation's model
// lacks one, the nearest one that it has is told: OperationNotPermitted for
// everything that cannot be done now, and InvalidParameterValueException, which
// no model lists and the service answers to bad values, for the rest.
var Errors = convert.Table{
	Kinds: map[fault.Kind]string{
		fault.BadValue:       "InvalidParameterValueException",
		fault.BadCombination: "InvalidParameterCombinationException",
		fault.NotFound:       "ResourceNotFoundException",
		fault.Exists:         "ResourceAlreadyExistsException",
		fault.InUse:          "ResourceInUseException",
		fault.WrongState:     "OperationNotPermittedException",
		fault.NotAvailable:   "ResourceNotAvailableException",
		fault.Busy:           "ConcurrentModificationException",
		fault.Quota:          "LimitExceededException",
		fault.Incompatible:   "IncompatibleImageException",
		fault.BadRole:        "InvalidRoleException",
		fault.Denied:         "AccessDeniedException",
		fault.Unavailable:    "ServiceUnavailable",
		fault.Unsupported:    "OperationNotPermittedException",
		fault.DryRun:         "DryRunOperationException",
		fault.Canceled:       "ServiceUnavailable",
	},
	Nearest: map[fault.Kind][]fault.Kind{
		fault.BadCombination: {fault.BadValue},
		fault.NotFound:       {fault.BadValue},
		fault.Exists:         {fault.WrongState, fault.BadValue},
		fault.InUse:          {fault.WrongState, fault.BadValue},
		fault.WrongState:     {fault.NotAvailable, fault.Busy, fault.InUse, fault.BadValue},
		fault.NotAvailable:   {fault.WrongState, fault.BadValue},
		fault.Busy:           {fault.WrongState, fault.Unavailable},
		fault.Quota:          {fault.WrongState, fault.BadValue},
		fault.Incompatible:   {fault.WrongState, fault.BadValue},
		fault.BadRole:        {fault.WrongState, fault.BadValue},
		fault.Unsupported:    {fault.BadValue},
		fault.DryRun:         {fault.BadValue},
	},
}
