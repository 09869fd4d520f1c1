package ec2

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/ec2"
)

// refuseKey: what comes in is never encrypted here.
func refuseKey(encrypted *bool, key *string) error {
	if convert.Val(encrypted) || key != nil {
		return fault.New(fault.Unsupported, "Encrypted imports are not supported.").WithHint("Leave Encrypted and KmsKeyId out; the file system of the data directory can be encrypted instead.")
	}
	return nil
}

func bucketSource(b *aws.UserBucket, url, format *string) domain.DiskSource {
	src := domain.DiskSource{URL: convert.Val(url), Format: convert.Val(format)}
	if b != nil {
		src.Bucket, src.Key = convert.Val(b.S3Bucket), convert.Val(b.S3Key)
	}
	return src
}

// imageSource reads the one disk of an ImportImage.
func imageSource(in *aws.ImportImageRequest) (domain.DiskSource, error) {
	if len(in.DiskContainers) != 1 {
		return domain.DiskSource{}, fault.New(fault.Unsupported, "An image is imported from one disk; %d were given.", len(in.DiskContainers)).
			WithHint("Import further disks with ImportSnapshot and register the machine image with RegisterImage.")
	}
	d := in.DiskContainers[0]
	if d.SnapshotId != nil {
		return domain.DiskSource{}, fault.New(fault.Unsupported, "Importing from a snapshot is not supported.").WithHint("RegisterImage makes a machine image of a snapshot.")
	}
	src := bucketSource(d.UserBucket, d.Url, d.Format)
	src.Device = convert.Val(d.DeviceName)
	return src, nil
}

func (a api) importImage(ctx context.Context, c *wire.Call, in *aws.ImportImageRequest) (*aws.ImportImageResult, error) {
	if err := refuseKey(in.Encrypted, in.KmsKeyId); err != nil {
		return nil, err
	}
	if arch := convert.Val(in.Architecture); arch != "" && arch != "x86_64" {
		return nil, fault.New(fault.Unsupported, "The architecture %s is not supported.", arch).WithHint("Machines here are x86_64.")
	}
	src, err := imageSource(in)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor(in.TagSpecifications, "import-image-task")
	if err != nil {
		return nil, err
	}
	t, err := a.svc.ImportDisk(ctx, convert.Caller(c), service.ImportSpec{Kind: domain.KindImportImage, DryRun: convert.Val(in.DryRun), Task: domain.ImportTask{
		Source: src, Description: convert.Val(in.Description), ClientToken: convert.Val(in.ClientToken), RoleName: convert.Val(in.RoleName),
		Tags: tags["import-image-task"], Architecture: "x86_64", BootMode: convert.Val(in.BootMode), LicenseType: convert.Val(in.LicenseType), Platform: convert.Val(in.Platform),
	}})
	if err != nil {
		return nil, err
	}
	s := importImageShape(service.Importing{ImportTask: t, Progress: "0"})
	return &aws.ImportImageResult{
		Architecture: s.Architecture, Description: s.Description, Encrypted: s.Encrypted, Hypervisor: s.Hypervisor, ImportTaskId: s.ImportTaskId,
		LicenseType: s.LicenseType, Platform: s.Platform, Progress: s.Progress, SnapshotDetails: s.SnapshotDetails, Status: s.Status, StatusMessage: s.StatusMessage,
		Tags: s.Tags,
	}, nil
}

func userBucket(src domain.DiskSource) *aws.UserBucketDetails {
	if src.Bucket == "" {
		return nil
	}
	return &aws.UserBucketDetails{S3Bucket: new(src.Bucket), S3Key: new(src.Key)}
}

func importImageShape(t service.Importing) aws.ImportImageTask {
	d := aws.SnapshotDetail{
		DeviceName: convert.Opt(t.Source.Device), Format: convert.Opt(or(&t.Format, t.Source.Format)), SnapshotId: convert.Opt(t.SnapshotID),
		Status: new(string(t.State)), Url: convert.Opt(t.Source.URL), UserBucket: userBucket(t.Source), Progress: convert.Opt(t.Progress),
	}
	if t.FileBytes > 0 {
		d.DiskImageSize = new(float64(t.FileBytes))
	}
	return aws.ImportImageTask{
		Architecture: convert.Opt(t.Architecture), Description: convert.Opt(t.Description), Encrypted: new(false), Hypervisor: nil,
		ImageId: convert.Opt(t.ImageID), ImportTaskId: new(t.Key.Name), LicenseType: convert.Opt(t.LicenseType), Platform: convert.Opt(t.Platform),
		Progress: convert.Opt(t.Progress), SnapshotDetails: []aws.SnapshotDetail{d}, Status: d.Status, StatusMessage: new(t.Message),
		Tags: tagList(t.Tags), BootMode: convert.Opt(t.BootMode),
	}
}

func (a api) importSnapshot(ctx context.Context, c *wire.Call, in *aws.ImportSnapshotRequest) (*aws.ImportSnapshotResult, error) {
	if err := refuseKey(in.Encrypted, in.KmsKeyId); err != nil {
		return nil, err
	}
	if in.DiskContainer == nil {
		return nil, fault.New(fault.BadCombination, "The request has no DiskContainer.").WithCode("MissingParameter")
	}
	tags, err := tagsFor(in.TagSpecifications, "import-snapshot-task")
	if err != nil {
		return nil, err
	}
	text := convert.Val(in.Description)
	if text == "" {
		text = convert.Val(in.DiskContainer.Description)
	}
	t, err := a.svc.ImportDisk(ctx, convert.Caller(c), service.ImportSpec{Kind: domain.KindImportSnapshot, DryRun: convert.Val(in.DryRun), Task: domain.ImportTask{
		Source:      bucketSource(in.DiskContainer.UserBucket, in.DiskContainer.Url, in.DiskContainer.Format),
		Description: text, ClientToken: convert.Val(in.ClientToken), RoleName: convert.Val(in.RoleName), Tags: tags["import-snapshot-task"],
	}})
	if err != nil {
		return nil, err
	}
	s := importSnapshotShape(service.Importing{ImportTask: t, Progress: "0"})
	return &aws.ImportSnapshotResult{Description: s.Description, ImportTaskId: s.ImportTaskId, SnapshotTaskDetail: s.SnapshotTaskDetail, Tags: s.Tags}, nil
}

func importSnapshotShape(t service.Importing) aws.ImportSnapshotTask {
	d := &aws.SnapshotTaskDetail{
		Description: convert.Opt(t.Description), Encrypted: new(false), Format: convert.Opt(or(&t.Format, t.Source.Format)), Progress: convert.Opt(t.Progress),
		SnapshotId: convert.Opt(t.SnapshotID), Status: new(string(t.State)), StatusMessage: new(t.Message), Url: convert.Opt(t.Source.URL), UserBucket: userBucket(t.Source),
	}
	if t.FileBytes > 0 {
		d.DiskImageSize = new(float64(t.FileBytes))
	}
	return aws.ImportSnapshotTask{Description: convert.Opt(t.Description), ImportTaskId: new(t.Key.Name), SnapshotTaskDetail: d, Tags: tagList(t.Tags)}
}

// importField is the filters of both kinds of tasks; task-state is EC2's.
func importField(t *domain.ImportTask, name string) ([]string, bool) {
	if v, ok := tagFields(name, t.Tags); ok {
		return v, true
	}
	if name == "task-state" {
		return []string{string(t.State)}, true
	}
	return nil, false
}

// importTasks lists what passes the filters.
func (a api) importTasks(ctx context.Context, c *wire.Call, k domain.Kind, ids []string, filters []aws.Filter) ([]service.Importing, error) {
	if err := checkFilters(filters, func(n string) ([]string, bool) { return importField(&domain.ImportTask{}, n) }); err != nil {
		return nil, err
	}
	all, err := a.svc.ImportTasks(ctx, convert.Caller(c), k, ids)
	var out []service.Importing
	for _, t := range all {
		if passes(filters, func(n string) ([]string, bool) { return importField(t.ImportTask, n) }) {
			out = append(out, t)
		}
	}
	return out, err
}

func (a api) describeImportImageTasks(ctx context.Context, c *wire.Call, in *aws.DescribeImportImageTasksRequest) (*aws.DescribeImportImageTasksResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	tasks, err := a.importTasks(ctx, c, domain.KindImportImage, in.ImportTaskIds, in.Filters)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeImportImageTasksResult{ImportImageTasks: []aws.ImportImageTask{}}
	for _, t := range tasks {
		out.ImportImageTasks = append(out.ImportImageTasks, importImageShape(t))
	}
	out.ImportImageTasks, out.NextToken, err = page(out.ImportImageTasks, in.MaxResults, in.NextToken, func(t aws.ImportImageTask) string { return *t.ImportTaskId })
	return out, err
}

func (a api) describeImportSnapshotTasks(ctx context.Context, c *wire.Call, in *aws.DescribeImportSnapshotTasksRequest) (*aws.DescribeImportSnapshotTasksResult, error) {
	if err := dryRun(in.DryRun); err != nil {
		return nil, err
	}
	tasks, err := a.importTasks(ctx, c, domain.KindImportSnapshot, in.ImportTaskIds, in.Filters)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeImportSnapshotTasksResult{ImportSnapshotTasks: []aws.ImportSnapshotTask{}}
	for _, t := range tasks {
		out.ImportSnapshotTasks = append(out.ImportSnapshotTasks, importSnapshotShape(t))
	}
	out.ImportSnapshotTasks, out.NextToken, err = page(out.ImportSnapshotTasks, in.MaxResults, in.NextToken, func(t aws.ImportSnapshotTask) string { return *t.ImportTaskId })
	return out, err
}

func (a api) cancelImportTask(ctx context.Context, c *wire.Call, in *aws.CancelImportTaskRequest) (*aws.CancelImportTaskResult, error) {
	if convert.Val(in.ImportTaskId) == "" {
		return nil, fault.New(fault.BadCombination, "The request must contain the parameter ImportTaskId").WithCode("MissingParameter")
	}
	was, err := a.svc.CancelImport(ctx, convert.Caller(c), *in.ImportTaskId, convert.Val(in.CancelReason), convert.Val(in.DryRun))
	if err != nil {
		return nil, err
	}
	return &aws.CancelImportTaskResult{ImportTaskId: in.ImportTaskId, PreviousState: new(string(was.Previous)), State: new(string(was.Now))}, nil
}
