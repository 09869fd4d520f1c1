package disks

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"slipway/disk/convert"
	"slipway/disk/gate"
	"slipway/disk/gate/hostile"
	"slipway/test/rig"
	"slipway/work/bucket/buckettest"
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

// importRole makes the role that imports from buckets want, as VM Import's guide
// has it.
func (a *account) importRole(t *testing.T) {
	t.Helper()
	_, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("vmimport"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vmie.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"vmimport"}}}]}`)})
	if err == nil {
		_, err = a.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("vmimport"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","ec2:*"],"Resource":"*"}]}`)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCanceledTask: a task that is canceled while it works, or waits for its
// turn, ends as deleted and leaves nothing.
func TestCanceledTask(t *testing.T) {
	s3 := buckettest.Start(t)
	s3.Set("images/slow.raw", append(blockOf(1), blockOf(2)...))
	held := make(chan struct{}, 6)
	var hold sync.RWMutex
	s3.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			held <- struct{}{}
			hold.RLock() // until the test lets it go
			defer hold.RUnlock()
		}
		return false
	}
	hold.Lock()
	release := sync.OnceFunc(hold.Unlock)
	defer release()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(s3.Key()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := rig.Start(t, "--compute", "fake", "--s3-endpoint", s3.URL, "--s3-key", key)
	a := operator(s)
	a.importRole(t)
	var ids []string
	for range 6 { // three run at once
		out, err := a.ec2.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: []types.ImageDiskContainer{{Url: aws.String("s3://images/slow.raw")}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.ImportTaskId)
	}
	for range 3 {
		select {
		case <-held:
		case <-time.After(limit):
			t.Fatal("no three imports run at once")
		}
	}
	for _, id := range []string{ids[0], ids[5]} { // one works, one waits
		was, err := a.ec2.CancelImportTask(context.WithoutCancel(t.Context()), &ec2.CancelImportTaskInput{ImportTaskId: &id, CancelReason: aws.String("a test")})
		if err != nil || aws.ToString(was.PreviousState) != "active" || aws.ToString(was.State) != "deleting" {
			t.Fatalf("cancel: %+v %v", was, err)
		}
	}
	for i, id := range []string{ids[0], ids[5]} {
		if i == 1 {
			release() // it is undone when it is its turn
		}
		if task := importTask(t, a, id); aws.ToString(task.Status) != "deleted" || !strings.HasPrefix(aws.ToString(task.StatusMessage), "Canceled: ") {
			t.Errorf("canceled: %s %s", aws.ToString(task.Status), aws.ToString(task.StatusMessage))
		}
	}
	for _, id := range ids[1:5] {
		// A disk without partitions is no image.
		if task := importTask(t, a, id); !strings.HasPrefix(aws.ToString(task.StatusMessage), "ClientError: No valid partitions. Not a valid volume.") {
			t.Errorf("%s: %s", id, aws.ToString(task.StatusMessage))
		}
	}
	nothingLeft(t, s)
}

// nothingLeft waits until no sealed disk, upload or transfer is left.
func nothingLeft(t *testing.T, s *rig.Server) {
	t.Helper()
	rig.Until(t, limit, "nothing is left", func() (bool, error) {
		n := 0
		for _, dir := range []string{"disks/sealed", "disks/uploads", "transfers"} {
			es, err := os.ReadDir(filepath.Join(s.DataDir, dir))
			if err != nil && !os.IsNotExist(err) {
				return false, err
			}
			n += len(es)
		}
		return n == 0, nil
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
