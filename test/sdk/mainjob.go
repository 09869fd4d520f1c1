package sdk

import (
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// mainJob brings a machine image in and out again and compares every byte of
// the disk and every member of the answers.
func (w *world) mainJob() {
	me, err := w.sts.GetCallerIdentity(w.ctx, &sts.GetCallerIdentityInput{})
	w.ok(err)
	if *me.Account != w.srv.Client.Account {
		w.t.Errorf("the account is %s, not %s", *me.Account, w.srv.Client.Account)
	}
	role, err := w.iam.GetRole(w.ctx, &iam.GetRoleInput{RoleName: aws.String("mover")})
	w.ok(err)
	if *role.Role.Arn != w.role || near(role.Role.CreateDate) != nil {
		w.t.Errorf("the role: %s, made %v", *role.Role.Arn, role.Role.CreateDate)
	}
	img := w.importAll()
	w.compareImage(img)
	ami := w.exportAll(img)
	w.comparePulled(ami)
	w.deleteAll(img)
}

func (w *world) fullImport() *appstream.CreateImportedImageInput {
	return &appstream.CreateImportedImageInput{
		Name: aws.String("main-job"), SourceAmiId: &w.ami, IamRoleArn: &w.role, DisplayName: aws.String("Main job"),
		Description: aws.String("Driven by the SDK (Go)."), Tags: map[string]string{"team": "blue", "ünï": "cödé +1", "slipway:fault": "held"},
		RuntimeValidationConfig: &types.RuntimeValidationConfig{IntendedInstanceType: aws.String("GeneralPurpose.m7i.large")},
		AgentSoftwareVersion:    types.AgentSoftwareVersionAlwaysLatest,
		AppCatalogConfig: []types.ApplicationConfig{
			{Name: aws.String("Notepad"), DisplayName: aws.String("The Notepad"), AbsoluteAppPath: aws.String(`C:\Windows\notepad.exe`),
				WorkingDirectory: aws.String(`C:\Users`), LaunchParameters: aws.String("/A")},
			{Name: aws.String("Paint"), AbsoluteAppPath: aws.String(`C:\Windows\mspaint.exe`)},
		},
	}
}

// importAll imports with everything that can be asked for and watches the
// states go by.
func (w *world) importAll() types.Image {
	w.t.Helper()
	out, err := w.app.CreateImportedImage(w.ctx, w.fullImport())
	w.ok(err)
	if out.Image.State != types.ImageStatePending {
		w.t.Errorf("a new image is %s", out.Image.State)
	}
	var seen []types.ImageState
	var img types.Image
	w.until("the image is there", func() (bool, error) {
		img = w.image("main-job")
		if len(seen) == 0 || seen[len(seen)-1] != img.State {
			seen = append(seen, img.State)
		}
		if img.State == types.ImageStateValidating {
			w.goOn()
		}
		return img.State == types.ImageStateAvailable || img.State == types.ImageStateFailed, nil
	})
	w.holdAgain()
	order := []types.ImageState{types.ImageStatePending, types.ImageStateImporting, types.ImageStateValidating, types.ImageStateAvailable}
	if !slices.Contains(seen, types.ImageStateValidating) || !subsequence(seen, order) {
		w.t.Errorf("states seen: %v (%s)", seen, reason(&img))
	}
	if !out.Image.CreatedTime.Equal(*img.CreatedTime) || *out.Image.Arn != *img.Arn {
		w.t.Errorf("created %s as %s, described %s as %s", out.Image.CreatedTime, *out.Image.Arn, img.CreatedTime, *img.Arn)
	}
	return img
}

func subsequence(of, all []types.ImageState) bool {
	for _, s := range all {
		if len(of) > 0 && of[0] == s {
			of = of[1:]
		}
	}
	return len(of) == 0
}

func reason(i *types.Image) string {
	if i.StateChangeReason == nil {
		return "no reason"
	}
	return string(i.StateChangeReason.Code) + ": " + aws.ToString(i.StateChangeReason.Message)
}

// image describes one image.
func (w *world) image(name string) types.Image {
	w.t.Helper()
	out, err := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Names: []string{name}})
	w.ok(err)
	if len(out.Images) != 1 {
		w.t.Fatalf("%d images are called %s", len(out.Images), name)
	}
	return out.Images[0]
}

func (w *world) compareImage(img types.Image) {
	w.t.Helper()
	if err := near(img.CreatedTime); err != nil {
		w.t.Error(err)
	}
	arn := "arn:aws:appstream:" + w.srv.Client.Region + ":" + w.srv.Client.Account + ":image/main-job"
	type words struct{ Name, ARN, Display, Description, State, Visibility, Type, Platform string }
	got := words{*img.Name, *img.Arn, *img.DisplayName, *img.Description, string(img.State), string(img.Visibility), string(img.ImageType), string(img.Platform)}
	want := words{"main-job", arn, "Main job", "Driven by the SDK (Go).", "AVAILABLE", "PRIVATE", "CUSTOM", "WINDOWS_SERVER_2022"}
	if got != want {
		w.t.Errorf("image\n%+v, want\n%+v", got, want)
	}
	if img.StateChangeReason != nil || len(img.ImageErrors) > 0 {
		w.t.Errorf("an image that is available gives a reason: %s, %v", reason(&img), img.ImageErrors)
	}
	if img.ManagedSoftwareIncluded == nil || *img.ManagedSoftwareIncluded || img.ImageBuilderSupported == nil ||
		!slices.Contains(img.SupportedInstanceFamilies, "GENERAL_PURPOSE") {
		w.t.Errorf("flags and families: %v %v %v", img.ManagedSoftwareIncluded, img.ImageBuilderSupported, img.SupportedInstanceFamilies)
	}
	if len(img.Applications) != 2 {
		w.t.Fatalf("applications: %d", len(img.Applications))
	}
	var apps [][]string
	for _, a := range img.Applications {
		apps = append(apps, []string{*a.Name, *a.DisplayName, *a.LaunchPath, aws.ToString(a.WorkingDirectory), aws.ToString(a.LaunchParameters)})
		if a.Enabled == nil || !*a.Enabled || !slices.Equal(a.Platforms, []types.PlatformType{types.PlatformTypeWindowsServer2022}) {
			w.t.Errorf("%s: enabled %v, platforms %v", *a.Name, a.Enabled, a.Platforms)
		}
	}
	if want := [][]string{{"Notepad", "The Notepad", `C:\Windows\notepad.exe`, `C:\Users`, "/A"}, {"Paint", "Paint", `C:\Windows\mspaint.exe`, "", ""}}; !reflect.DeepEqual(apps, want) {
		w.t.Errorf("applications: %q", apps)
	}
	tags, err := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: img.Arn})
	w.ok(err)
	if !reflect.DeepEqual(tags.Tags, w.fullImport().Tags) {
		w.t.Errorf("tags: %v", tags.Tags)
	}
}

// exportAll exports with everything that can be asked for and compares the task.
func (w *world) exportAll(img types.Image) (ami string) {
	w.t.Helper()
	in := &appstream.CreateExportImageTaskInput{
		ImageName: img.Name, AmiName: aws.String("main-job-out"), AmiDescription: aws.String("comes out"), IamRoleArn: &w.role,
		TagSpecifications: map[string]string{"Owner": "ops"},
	}
	begun, err := w.app.CreateExportImageTask(w.ctx, in)
	w.ok(err)
	if s := begun.ExportImageTask.State; s != types.ExportImageTaskStateExporting {
		w.t.Errorf("a new task is %s", s)
	}
	task := w.exported(*begun.ExportImageTask.TaskId)
	if task.State != types.ExportImageTaskStateCompleted {
		w.t.Fatalf("the task is %s: %v", task.State, task.ErrorDetails)
	}
	if err := near(task.CreatedDate); err != nil || !task.CreatedDate.Equal(*begun.ExportImageTask.CreatedDate) {
		w.t.Errorf("created %v, begun %v: %v", task.CreatedDate, begun.ExportImageTask.CreatedDate, err)
	}
	if *task.ImageArn != *img.Arn || *task.AmiName != *in.AmiName || *task.AmiDescription != *in.AmiDescription ||
		!reflect.DeepEqual(task.TagSpecifications, in.TagSpecifications) || len(task.ErrorDetails) > 0 {
		w.t.Errorf("task: %s %s %q %v %v", *task.ImageArn, *task.AmiName, *task.AmiDescription, task.TagSpecifications, task.ErrorDetails)
	}
	list, err := w.app.ListExportImageTasks(w.ctx, &appstream.ListExportImageTasksInput{
		Filters: []types.Filter{{Name: aws.String("AmiName"), Values: []string{*in.AmiName}}},
	})
	w.ok(err)
	if len(list.ExportImageTasks) != 1 || !reflect.DeepEqual(list.ExportImageTasks[0], task) {
		w.t.Errorf("listed: %+v", list.ExportImageTasks)
	}
	return *task.AmiId
}

// exported waits until a task has ended.
func (w *world) exported(id string) (task types.ExportImageTask) {
	w.t.Helper()
	w.until("the export has ended", func() (bool, error) {
		out, err := w.app.GetExportImageTask(w.ctx, &appstream.GetExportImageTaskInput{TaskId: &id})
		if err != nil {
			return false, err
		}
		task = *out.ExportImageTask
		return task.State != types.ExportImageTaskStateExporting, nil
	})
	return task
}

// comparePulled looks at the exported AMI as EC2 shows it, and at every byte of
// its disk. EC2 answers "windows", whatever case the SDK's constant has.
func (w *world) comparePulled(id string) {
	w.t.Helper()
	out, err := w.ec2.DescribeImages(w.ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	w.ok(err)
	ami := out.Images[0]
	if *ami.Name != "main-job-out" || *ami.Description != "comes out" || *ami.Public || *ami.OwnerId != w.srv.Client.Account ||
		ami.State != ec2types.ImageStateAvailable || ami.BootMode != ec2types.BootModeValuesUefi || ami.TpmSupport != ec2types.TpmSupportValuesV20 ||
		ami.Platform != "windows" || len(ami.BlockDeviceMappings) != 1 {
		w.t.Errorf("AMI: %+v", ami)
	}
	snapshot := *ami.BlockDeviceMappings[0].Ebs.SnapshotId
	snap, err := w.ec2.DescribeSnapshots(w.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snapshot}})
	w.ok(err)
	for what, tags := range map[string][]ec2types.Tag{"AMI": ami.Tags, "snapshot": snap.Snapshots[0].Tags} {
		if len(tags) != 1 || *tags[0].Key != "Owner" || *tags[0].Value != "ops" {
			w.t.Errorf("tags of the %s: %+v", what, tags)
		}
	}
	if got, want := w.digest(snapshot), w.fileDigest(w.disk); got != want {
		w.t.Errorf("the exported disk is %s, the pushed one %s", got, want)
	}
}

func (w *world) deleteAll(img types.Image) {
	w.t.Helper()
	out, err := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: img.Name})
	w.ok(err)
	if out.Image.State != types.ImageStateDeleting {
		w.t.Errorf("a deleted image is %s", out.Image.State)
	}
	w.until("the image is gone", func() (bool, error) {
		_, err := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Names: []string{*img.Name}})
		if err == nil {
			return false, nil
		}
		return true, isA[*types.ResourceNotFoundException](err, "main-job")
	})
}
