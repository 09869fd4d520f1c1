package appstream

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// exportPage is ListExportImageTasks' documented default page.
const exportPage = 50

func (a api) createExportImageTask(ctx context.Context, c *wire.Call, in *aws.CreateExportImageTaskRequest) (*aws.CreateExportImageTaskResult, error) {
	e, err := a.svc.ExportImage(ctx, convert.Caller(c), service.ExportSpec{
		ImageName: convert.Val(in.ImageName), AMIName: convert.Val(in.AmiName), AMIDescription: convert.Val(in.AmiDescription),
		RoleARN: convert.Val(in.IamRoleArn), Tags: in.TagSpecifications,
	})
	if err != nil {
		return nil, err
	}
	return &aws.CreateExportImageTaskResult{ExportImageTask: exportShape(e)}, nil
}

func (a api) getExportImageTask(ctx context.Context, c *wire.Call, in *aws.GetExportImageTaskRequest) (*aws.GetExportImageTaskResult, error) {
	e, err := a.svc.Export(ctx, convert.Caller(c), convert.Val(in.TaskId))
	if err != nil {
		return nil, err
	}
	return &aws.GetExportImageTaskResult{ExportImageTask: exportShape(e)}, nil
}

func (a api) listExportImageTasks(ctx context.Context, c *wire.Call, in *aws.ListExportImageTasksRequest) (*aws.ListExportImageTasksResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	var filters []service.ExportFilter
	for _, f := range in.Filters {
		filters = append(filters, service.ExportFilter{Name: convert.Val(f.Name), Values: f.Values})
	}
	limit := int(convert.Val(in.MaxResults))
	if limit == 0 {
		limit = exportPage
	}
	tasks, next, err := a.svc.Exports(ctx, convert.Caller(c), filters, after, limit)
	if err != nil {
		return nil, err
	}
	out := &aws.ListExportImageTasksResult{ExportImageTasks: []aws.ExportImageTask{}, NextToken: convert.Token(next)}
	for _, t := range tasks {
		out.ExportImageTasks = append(out.ExportImageTasks, *exportShape(t))
	}
	return out, nil
}

func exportShape(e *domain.Export) *aws.ExportImageTask {
	out := &aws.ExportImageTask{
		TaskId: new(e.Key.Name), ImageArn: new(e.ImageARN), AmiName: new(e.AMIName), CreatedDate: new(e.Created),
		AmiDescription: convert.Opt(e.AMIDescription), State: new(string(e.State)), AmiId: convert.Opt(e.AMIID),
		TagSpecifications: e.Tags,
	}
	for _, p := range e.Problems {
		out.ErrorDetails = append(out.ErrorDetails, aws.ErrorDetails{ErrorCode: new(p.Code), ErrorMessage: new(p.Message)})
	}
	return out
}
