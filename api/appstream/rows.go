// Package appstream answers the operations of Amazon WorkSpaces Applications
// (AppStream 2.0): shape in, one use case, shape out.
package appstream

import (
	"slipway/api/convert"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

type api struct{ svc *service.Service }

// Rows is one row per operation that is built.
func Rows(s *service.Service) map[*wire.Op]wire.Handler {
	a := api{s}
	return map[*wire.Op]wire.Handler{
		aws.OpCreateImportedImage:   wire.Handle(a.createImportedImage),
		aws.OpDescribeImages:        wire.Handle(a.describeImages),
		aws.OpDeleteImage:           wire.Handle(a.deleteImage),
		aws.OpCreateExportImageTask: wire.Handle(a.createExportImageTask),
		aws.OpGetExportImageTask:    wire.Handle(a.getExportImageTask),
		aws.OpListExportImageTasks:  wire.Handle(a.listExportImageTasks),
		aws.OpTagResource:           wire.Handle(a.tagResource),
		aws.OpUntagResource:         wire.Handle(a.untagResource),
		aws.OpListTagsForResource:   wire.Handle(a.listTagsForResource),
	}
}

// Errors maps kinds to the service's exceptions. InvalidParameterValueException
// is in no operation's model and is what the service answers to bad values.
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
		fault.Unavailable:    "ServiceUnavailableException",
		fault.Unsupported:    "OperationNotPermittedException",
		fault.DryRun:         "DryRunOperationException",
		fault.Canceled:       "ServiceUnavailableException",
		fault.Internal:       "InternalFailure",
	},
}
