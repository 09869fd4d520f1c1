package disks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"slipway/disk/convert"
	"slipway/disk/gate"
	"slipway/disk/gate/hostile"
	"slipway/test/rig"
)

func importTask(t *testing.T, a *account, id string) types.ImportImageTask {
	t.Helper()
	var task types.ImportImageTask
	rig.Until(t, limit, "the import has ended", func() (bool, error) {
		out, err := a.ec2.DescribeImportImageTasks(t.Context(), &ec2.DescribeImportImageTasksInput{ImportTaskIds: []string{id}})
		if err != nil {
			return false, err
		}
		task = out.ImportImageTasks[0]
		return aws.ToString(task.Status) == "completed" || aws.ToString(task.Status) == "deleted", nil
	})
	return task
}

// TestTasksBringDisksInAndOut: a disk goes in by ImportImage from a file in one
// format, out by ExportImage in another, in again, and is the same.
func TestTasksBringDisksInAndOut(t *testing.T) {
	if err := new(convert.Converter).Check(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was proved: %v", err)
	}
	dir := t.TempDir()
	raw := rig.Fixture(t, "ws2022")
	s := rig.Start(t, "--compute", "fake", "--import-dir", dir)
	a := operator(s)
	if _, err := new(convert.Converter).File(t.Context(), raw, filepath.Join(dir, "w22.qcow2"), convert.Options{Format: gate.QCOW2}); err != nil {
		t.Fatal(err)
	}
	in := &ec2.ImportImageInput{ClientToken: aws.String("once"), Description: aws.String("a test"),
		DiskContainers:    []types.ImageDiskContainer{{Url: aws.String("file:///w22.qcow2"), Format: aws.String("qcow2")}},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeImportImageTask, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}}}
	first, err := a.ec2.ImportImage(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.ec2.ImportImage(t.Context(), in)
	if err != nil || aws.ToString(again.ImportTaskId) != aws.ToString(first.ImportTaskId) || aws.ToString(first.Status) != "active" {
		t.Errorf("the same token: %v %v %v", aws.ToString(first.ImportTaskId), again, err)
	}
	in.Description = aws.String("other")
	_, err = a.ec2.ImportImage(t.Context(), in)
	wantCode(t, "the same token, other parameters", err, "IdempotentParameterMismatch")

	task := importTask(t, a, *first.ImportTaskId)
	if aws.ToString(task.Status) != "completed" || aws.ToString(task.Platform) != "Windows" || !strings.HasPrefix(aws.ToString(task.ImageId), "ami-") || len(task.Tags) != 1 || task.BootMode != types.BootModeValuesUefi {
		t.Fatalf("task: %s %s %+v", aws.ToString(task.Status), aws.ToString(task.StatusMessage), task)
	}
	images, err := a.ec2.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{*task.ImageId}})
	if err != nil || !strings.EqualFold(string(images.Images[0].Platform), "windows") || aws.ToString(images.Images[0].Name) != *first.ImportTaskId {
		t.Errorf("image: %+v %v", images, err)
	}
	tagged, err := a.ec2.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-type"), Values: []string{"import-image-task"}}}})
	if err != nil || len(tagged.Tags) != 1 {
		t.Errorf("tags: %+v %v", tagged, err)
	}

	export, err := a.ec2.ExportImage(t.Context(), &ec2.ExportImageInput{ImageId: task.ImageId, DiskImageFormat: types.DiskImageFormatVhd,
		S3ExportLocation: &types.ExportTaskS3LocationRequest{S3Bucket: aws.String("file://"), S3Prefix: aws.String("out/")}})
	if err != nil {
		t.Fatal(err)
	}
	rig.Until(t, limit, "the export has ended", func() (bool, error) {
		out, err := a.ec2.DescribeExportImageTasks(t.Context(), &ec2.DescribeExportImageTasksInput{ExportImageTaskIds: []string{*export.ExportImageTaskId}})
		if err != nil || aws.ToString(out.ExportImageTasks[0].Status) == "deleted" {
			t.Fatalf("export: %+v %v", out, err)
		}
		return aws.ToString(out.ExportImageTasks[0].Status) == "completed", nil
	})
	back, err := a.ec2.ImportSnapshot(t.Context(), &ec2.ImportSnapshotInput{DiskContainer: &types.SnapshotDiskContainer{
		Format: aws.String("VHD"), Url: aws.String("file://" + dir + "/out/" + *export.ExportImageTaskId + ".vhd")}})
	if err != nil {
		t.Fatal(err)
	}
	var detail *types.SnapshotTaskDetail
	rig.Until(t, limit, "the snapshot is imported", func() (bool, error) {
		out, err := a.ec2.DescribeImportSnapshotTasks(t.Context(), &ec2.DescribeImportSnapshotTasksInput{ImportTaskIds: []string{*back.ImportTaskId}})
		if err != nil {
			return false, err
		}
		detail = out.ImportSnapshotTasks[0].SnapshotTaskDetail
		return aws.ToString(detail.Status) != "active", nil
	})
	if aws.ToString(detail.Status) != "completed" || !strings.HasPrefix(aws.ToString(detail.SnapshotId), "snap-") {
		t.Fatalf("snapshot: %s %s", aws.ToString(detail.Status), aws.ToString(detail.StatusMessage))
	}
	// The same disk a second time is the same sealed disk.
	sealed, err := os.ReadDir(filepath.Join(s.DataDir, "disks", "sealed"))
	if err != nil || len(sealed) != 1 {
		t.Errorf("%d sealed disks: %v", len(sealed), err)
	}
	rest, err := os.ReadDir(filepath.Join(s.DataDir, "transfers"))
	if err != nil || len(rest) != 0 {
		t.Errorf("transfers left: %v %v", rest, err)
	}
}

func TestTasksThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := rig.Start(t, "--compute", "fake", "--import-dir", dir)
	a := operator(s)
	from := func(url string) error {
		_, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: []types.ImageDiskContainer{{Url: &url}}})
		return err
	}
	wantCode(t, "a web address", from("http://169.254.169.254/latest"), "InvalidParameterValue")
	wantCode(t, "a bucket, with none configured", from("s3://bucket/key"), "UnsupportedOperation")
	wantCode(t, "no such role", func() error {
		_, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{RoleName: aws.String("vmimport"), DiskContainers: []types.ImageDiskContainer{{Url: aws.String("file:///x")}}})
		if err != nil && !strings.Contains(err.Error(), "The service role vmimport provided does not exist or does not have sufficient permissions") {
			t.Errorf("role: %v", err)
		}
		return err
	}(), "InvalidParameter")
	_, err := a.ec2.CancelImportTask(t.Context(), &ec2.CancelImportTaskInput{ImportTaskId: aws.String("import-ami-0123456789abcdef0")})
	wantCode(t, "cancelling nothing", err, "InvalidConversionTaskId")
	_, err = a.ec2.CancelExportTask(t.Context(), &ec2.CancelExportTaskInput{ExportTaskId: aws.String("export-ami-0123456789abcdef0")})
	wantCode(t, "cancelling no export", err, "InvalidExportTaskID.NotFound")

	for _, f := range hostile.Files() {
		if f.Code != "QCOW2_BACKING_FILE" {
			continue
		}
		if err := f.WriteTo(filepath.Join(dir, f.Name)); err != nil {
			t.Fatal(err)
		}
		out, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: []types.ImageDiskContainer{{Url: aws.String("file:///" + f.Name)}}})
		if err != nil {
			t.Fatal(err)
		}
		task := importTask(t, a, *out.ImportTaskId)
		if aws.ToString(task.Status) != "deleted" || !strings.HasPrefix(aws.ToString(task.StatusMessage), "ClientError: Disk validation failed [The qcow2 file names ") {
			t.Errorf("%s: %s %s", f.Name, aws.ToString(task.Status), aws.ToString(task.StatusMessage))
		}
	}
}

// TestCanceledTask: a task that is canceled while it waits for its turn, or
// works, ends as deleted and leaves nothing.
func TestCanceledTask(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "large.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(96) { // all of it has to be read
		if _, err := f.WriteAt(blockOf(byte(i+1)), i*blockSize); err != nil {
			t.Fatal(err)
		}
	}
	s := rig.Start(t, "--compute", "fake", "--import-dir", dir)
	a := operator(s)
	var ids []string
	for range 6 { // three run at once
		out, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: []types.ImageDiskContainer{{Url: aws.String("file:///large.raw")}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.ImportTaskId)
	}
	last := ids[len(ids)-1]
	was, err := a.ec2.CancelImportTask(context.WithoutCancel(t.Context()), &ec2.CancelImportTaskInput{ImportTaskId: &last, CancelReason: aws.String("a test")})
	if err != nil || aws.ToString(was.PreviousState) != "active" || aws.ToString(was.State) != "deleting" {
		t.Fatalf("cancel: %+v %v", was, err)
	}
	if task := importTask(t, a, last); aws.ToString(task.Status) != "deleted" || !strings.HasPrefix(aws.ToString(task.StatusMessage), "Canceled: ") {
		t.Errorf("canceled: %s %s", aws.ToString(task.Status), aws.ToString(task.StatusMessage))
	}
	for _, id := range ids[:5] {
		// A disk without partitions is no image.
		if task := importTask(t, a, id); !strings.HasPrefix(aws.ToString(task.StatusMessage), "ClientError: No valid partitions. Not a valid volume.") {
			t.Errorf("%s: %s", id, aws.ToString(task.StatusMessage))
		}
	}
	rig.Until(t, limit, "nothing is left", func() (bool, error) {
		sealed, err := os.ReadDir(filepath.Join(s.DataDir, "disks", "sealed"))
		uploads, err2 := os.ReadDir(filepath.Join(s.DataDir, "disks", "uploads"))
		if err == nil {
			err = err2
		}
		return len(sealed)+len(uploads) == 0, err
	})
}

// wantCode wants a refusal with EC2's word for it.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}
