package ec2

import (
	"context"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

func (a api) exportImage(ctx context.Context, c *wire.Call, in *aws.ExportImageRequest) (*aws.ExportImageResult, error) {
	tags, err := tagsFor(in.TagSpecifications, "export-image-task")
	if err != nil {
		return nil, err
	}
	task := domain.ExportImageTask{
		ImageID: convert.Val(in.ImageId), Format: strings.ToLower(convert.Val(in.DiskImageFormat)), Description: convert.Val(in.Description),
		ClientToken: convert.Val(in.ClientToken), RoleName: convert.Val(in.RoleName), Tags: tags["export-image-task"],
	}
	if l := in.S3ExportLocation; l != nil {
		task.Bucket, task.Prefix = convert.Val(l.S3Bucket), convert.Val(l.S3Prefix)
	}
	t, err := a.svc.ExportImageFile(ctx, convert.Caller(c), service.ExportImageSpec{Task: task, DryRun: convert.Val(in.DryRun)})
	if err != nil {
		return nil, err
	}
	s := exportImageShape(service.Exporting{ExportImageTask: t, Progress: "0"})
	return &aws.ExportImageResult{
		Description: s.Description, DiskImageFormat: in.DiskImageFormat, ExportImageTaskId: s.ExportImageTaskId, ImageId: s.ImageId, RoleName: convert.Opt(t.RoleName),
		Progress: s.Progress, S3ExportLocation: s.S3ExportLocation, Status: s.Status, StatusMessage: s.StatusMessage, Tags: s.Tags,
	}, nil
}

func exportImageShape(t service.Exporting) aws.ExportImageTask {
	return aws.ExportImageTask{
		Description: convert.Opt(t.Description), ExportImageTaskId: new(t.Key.Name), ImageId: new(t.ImageID), Progress: convert.Opt(t.Progress),
		S3ExportLocation: &aws.ExportTaskS3Location{S3Bucket: new(t.Bucket), S3Prefix: convert.Opt(t.Prefix)},
		Status:           new(string(t.State)), StatusMessage: new(t.Message), Tags: tagList(t.Tags),
	}
}

// exportField is the filters of DescribeExportImageTasks.
func exportField(t *domain.ExportImageTask, name string) ([]string, bool) {
	if v, ok := tagFields(name, t.Tags); ok {
		return v, true
	}
	if name == "task-state" {
		return []string{string(t.State)}, true
	}
	return nil, false
}

func (a api) describeExportImageTasks(ctx context.Context, c *wire.Call, in *aws.DescribeExportImageTasksRequest) (*aws.DescribeExportImageTasksResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters, func(n string) ([]string, bool) { return exportField(&domain.ExportImageTask{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.ExportImageTasks(ctx, convert.Caller(c), in.ExportImageTaskIds)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeExportImageTasksResult{ExportImageTasks: []aws.ExportImageTask{}}
	for _, t := range all {
		if passes(in.Filters, func(n string) ([]string, bool) { return exportField(t.ExportImageTask, n) }) {
			out.ExportImageTasks = append(out.ExportImageTasks, exportImageShape(t))
		}
	}
	out.ExportImageTasks, out.NextToken, err = page(out.ExportImageTasks, in.MaxResults, in.NextToken, func(t aws.ExportImageTask) string { return *t.ExportImageTaskId })
	return out, err
}

func (a api) cancelExportTask(ctx context.Context, c *wire.Call, in *aws.CancelExportTaskRequest) (*aws.CancelExportTaskOutput, error) {
	id := convert.Val(in.ExportTaskId)
	if !strings.HasPrefix(id, "export-ami-") {
		return nil, fault.New(fault.NotFound, "The specified export task ID %s cannot be found.", id).WithCode("InvalidExportTaskID.NotFound")
	}
	return nil, a.svc.CancelExportTask(ctx, convert.Caller(c), id)
}
