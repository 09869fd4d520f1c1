package sdk

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

// goOn lets guests boot whose fault is "held"; until then they do not.
func (w *world) goOn() {
	w.t.Helper()
	w.ok(os.WriteFile(filepath.Join(w.srv.DataDir, "run", "go-on"), nil, 0o600))
}

// holdAgain ends goOn.
func (w *world) holdAgain() {
	w.t.Helper()
	w.ok(os.Remove(filepath.Join(w.srv.DataDir, "run", "go-on")))
}

// validated asks for an import whose fake guest has the fault.
func (w *world) validated(name, fault string) {
	w.t.Helper()
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) {
		in.Name, in.Tags = &name, map[string]string{"slipway:fault": fault}
		in.RuntimeValidationConfig = &types.RuntimeValidationConfig{IntendedInstanceType: aws.String("GeneralPurpose.m7i.large")}
	}))
}

// importFails: what is found out behind the request is told on the image, with
// a typed error and a time, and leaves no machine.
func (w *world) importFails() {
	w.validated("panics", "panic")
	img := w.settled("panics")
	if img.State != types.ImageStateFailed || img.StateChangeReason == nil || img.StateChangeReason.Code != types.ImageStateChangeReasonCodeImageImportFailure ||
		len(img.ImageErrors) != 1 {
		w.t.Fatalf("the image is %s: %s, %v", img.State, reason(&img), img.ImageErrors)
	}
	e := img.ImageErrors[0]
	if e.ErrorCode != "VALIDATION_ERROR" || *e.ErrorMessage != *img.StateChangeReason.Message || near(e.ErrorTimestamp) != nil || e.ErrorTimestamp.Before(*img.CreatedTime) {
		w.t.Errorf("error %s at %v: %s", e.ErrorCode, e.ErrorTimestamp, *e.ErrorMessage)
	}
	if left := w.srv.Leftovers(); len(left) > 0 {
		w.t.Errorf("left behind: %q", left)
	}
	_, err := w.app.CreateExportImageTask(w.ctx, &appstream.CreateExportImageTaskInput{ImageName: img.Name, AmiName: aws.String("never"), IamRoleArn: &w.role})
	w.refused([]refusal{{"export of a failed image", err, isA[*types.ResourceNotAvailableException], []string{"FAILED"}}})
	w.remove("panics")
	w.validated("speechless", "agent") // no agent is no failure: no stock Windows has ours
	if img := w.settled("speechless"); img.State != types.ImageStateAvailable {
		w.t.Errorf("a guest without agent: %s", reason(&img))
	}
	w.remove("speechless")
}

// remove deletes an image and waits until it is gone.
func (w *world) remove(name string) {
	w.t.Helper()
	_, err := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: &name})
	w.ok(err)
	w.until(name+" is gone", func() (bool, error) {
		out, err := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{})
		return err == nil && !slices.ContainsFunc(out.Images, func(i types.Image) bool { return *i.Name == name }), err
	})
}

// deleteWhileImporting: an image whose import runs can be neither deleted nor
// exported; when it has ended it can.
func (w *world) deleteWhileImporting() {
	w.validated("busy", "held")
	_, err := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: aws.String("busy")})
	_, export := w.app.CreateExportImageTask(w.ctx, &appstream.CreateExportImageTaskInput{ImageName: aws.String("busy"), AmiName: aws.String("early"), IamRoleArn: &w.role})
	w.refused([]refusal{
		{"delete while importing", err, isA[*types.OperationNotPermittedException], []string{"busy"}},
		{"export while importing", export, isA[*types.ResourceNotAvailableException], []string{"AVAILABLE"}},
	})
	w.goOn()
	if img := w.settled("busy"); img.State != types.ImageStateAvailable {
		w.t.Errorf("a guest that was held: %s", reason(&img))
	}
	w.holdAgain()
	w.remove("busy")
}

// exports is what an export can be refused for, and the list of tasks.
func (w *world) exports() {
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("source") }))
	w.settled("source")
	export := func(image, ami, role string) (*types.ExportImageTask, error) {
		out, err := w.app.CreateExportImageTask(w.ctx, &appstream.CreateExportImageTaskInput{ImageName: &image, AmiName: &ami, IamRoleArn: &role})
		if err != nil {
			return nil, err
		}
		return out.ExportImageTask, nil
	}
	var ids []string
	for i := range 3 {
		task, err := export("source", fmt.Sprintf("out-%d", i), w.role)
		w.ok(err)
		if done := w.exported(*task.TaskId); done.State != types.ExportImageTaskStateCompleted {
			w.t.Fatalf("task %d: %s %v", i, done.State, done.ErrorDetails)
		}
		ids = append(ids, *task.TaskId)
	}
	_, unknown := export("unknown", "out-9", w.role)
	_, taken := export("source", "out-1", w.role)
	_, noRole := export("source", "out-9", "arn:aws:iam::"+w.srv.Client.Account+":role/none")
	_, weak := export("source", "out-9", w.newRole("importer", trust, importable))
	_, task := w.app.GetExportImageTask(w.ctx, &appstream.GetExportImageTaskInput{TaskId: aws.String("01234567-89ab-cdef-0123-456789abcdef")})
	_, filter := w.app.ListExportImageTasks(w.ctx, &appstream.ListExportImageTasksInput{Filters: []types.Filter{{Name: aws.String("Colour"), Values: []string{"red"}}}})
	_, token := w.app.ListExportImageTasks(w.ctx, &appstream.ListExportImageTasksInput{NextToken: aws.String("made up")})
	w.refused([]refusal{
		{"unknown image", unknown, isA[*types.ResourceNotFoundException], []string{"unknown"}},
		{"taken name", taken, isA[*types.OperationNotPermittedException], []string{"out-1"}},
		{"missing role", noRole, isA[*types.InvalidRoleException], nil},
		{"powerless role", weak, isA[*types.InvalidRoleException], []string{"ec2:CopyImage"}},
		{"unknown task", task, isA[*types.ResourceNotFoundException], []string{"01234567-89ab-cdef-0123-456789abcdef"}},
		{"unknown filter", filter, coded("InvalidParameterValueException"), []string{"Colour"}},
		{"token", token, coded("InvalidParameterValueException"), []string{"NextToken"}},
	})
	w.listTasks(ids)
}

func (w *world) listTasks(ids []string) {
	w.t.Helper()
	list := func(size int32, filters ...types.Filter) (got []string) {
		w.t.Helper()
		in := &appstream.ListExportImageTasksInput{Filters: filters, MaxResults: &size}
		for pages := 1; ; pages++ {
			out, err := w.app.ListExportImageTasks(w.ctx, in)
			w.ok(err)
			if len(out.ExportImageTasks) > int(size) || pages > 20 {
				w.t.Fatalf("page %d has %d tasks", pages, len(out.ExportImageTasks))
			}
			for _, task := range out.ExportImageTasks {
				got = append(got, *task.TaskId)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				slices.Sort(got)
				return got
			}
		}
	}
	slices.Sort(ids)
	arn := types.Filter{Name: aws.String("ImageArn"), Values: []string{w.imageARN("source")}}
	state := func(v ...string) types.Filter { return types.Filter{Name: aws.String("State"), Values: v} }
	day := types.Filter{Name: aws.String("CreatedDate"), Values: []string{time.Now().UTC().Format("2006-01-02"), time.Now().UTC().Add(-time.Hour).Format("2006-01-02")}}
	for _, c := range []struct {
		got, want []string
	}{
		{list(2, arn), ids},
		{list(1, arn, state("FAILED", "COMPLETED")), ids},
		{list(50, arn, day), ids},
		{list(50, arn, state("FAILED")), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			w.t.Errorf("listed %q, want %q", c.got, c.want)
		}
	}
}

// tags is a resource's tags through their three operations.
func (w *world) tags() {
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("tagged") }))
	arn := w.settled("tagged").Arn
	tag := func(arn *string, tags map[string]string) error {
		_, err := w.app.TagResource(w.ctx, &appstream.TagResourceInput{ResourceArn: arn, Tags: tags})
		return err
	}
	want := map[string]string{"a": "1", "b": "", "ключ": "значение"}
	w.ok(tag(arn, map[string]string{"a": "0", "c": "3"}))
	w.ok(tag(arn, want))
	_, err := w.app.UntagResource(w.ctx, &appstream.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"c", "never there"}})
	w.ok(err)
	got, err := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: arn})
	w.ok(err)
	if !maps.Equal(got.Tags, want) {
		w.t.Errorf("tags %v, want %v", got.Tags, want)
	}
	many := map[string]string{}
	for i := range 48 {
		many[fmt.Sprint("k", i)] = "v"
	}
	unknown := w.imageARN("unknown")
	_, untag := w.app.UntagResource(w.ctx, &appstream.UntagResourceInput{ResourceArn: &unknown, TagKeys: []string{"a"}})
	_, list := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: &unknown})
	missing := isA[*types.ResourceNotFoundException]
	w.refused([]refusal{
		{"too many", tag(arn, many), isA[*types.LimitExceededException], []string{"50"}},
		{"tag of nothing", tag(&unknown, want), missing, nil},
		{"untag of nothing", untag, missing, nil},
		{"list of nothing", list, missing, nil},
	})
	again, err := w.app.ListTagsForResource(w.ctx, &appstream.ListTagsForResourceInput{ResourceArn: arn})
	w.ok(err)
	if !reflect.DeepEqual(again.Tags, got.Tags) {
		w.t.Errorf("a refused request changed the tags to %v", again.Tags)
	}
}

// quotaAndPages fills an account with images and turns the pages of them.
func (w *world) quotaAndPages() {
	want := []string{}
	for i := range 10 {
		want = append(want, fmt.Sprintf("image-%d", i))
		w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = &want[i] }))
	}
	err := w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("image-10") })
	w.refused([]refusal{{"the eleventh image", err, isA[*types.LimitExceededException], []string{"10"}}})
	var got []string
	pages := appstream.NewDescribeImagesPaginator(w.app, &appstream.DescribeImagesInput{MaxResults: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.ctx)
		w.ok(err)
		if len(page.Images) > 3 || len(got) > 10 {
			w.t.Fatalf("a page of %d after %d", len(page.Images), len(got))
		}
		for _, i := range page.Images {
			got = append(got, *i.Name)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("pages: %q", got)
	}
	for _, n := range want {
		w.settled(n)
	}
	out, err := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Type: types.VisibilityTypeShared})
	w.ok(err)
	if len(out.Images) != 0 {
		w.t.Errorf("%d images are shared", len(out.Images))
	}
}
