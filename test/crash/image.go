package crash

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	astypes "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

func (j *journey) image() string { return fmt.Sprintf("image-%d", j.n) }

// importImage imports the AMI; false when that failed with a reason.
func (j *journey) importImage() (available bool, err error) {
	in := &appstream.CreateImportedImageInput{Name: aws.String(j.image()), SourceAmiId: &j.ami, IamRoleArn: &j.role, Tags: map[string]string{"journey": j.image()}}
	if j.chance(j.o.Odds.Validate) {
		in.RuntimeValidationConfig = &astypes.RuntimeValidationConfig{IntendedInstanceType: aws.String("GeneralPurpose.m7i.large")}
		if j.chance(j.o.Odds.Fault) {
			in.Tags["slipway:fault"] = []string{"boot", "panic", "off", "agent"}[j.rng.IntN(4)]
		}
	}
	unsure, err := j.call(func() error {
		_, err := j.c.AppStream.CreateImportedImage(j.ctx, in)
		return err
	})
	if err != nil && !(unsure && code(err) == "ResourceAlreadyExistsException") {
		return false, fmt.Errorf("CreateImportedImage: %w", err)
	}
	j.ledger.count("import", accepted)
	j.ledger.set(func() { j.ledger.images[j.region+"/"+j.image()] = true })
	if j.chance(j.o.Odds.Cancel) {
		if err := j.cancel(); err != nil {
			return false, err
		}
	}
	img, err := j.wait(j.image(), astypes.ImageStateAvailable, astypes.ImageStateFailed)
	if err != nil {
		return false, fmt.Errorf("the import: %w", err)
	}
	if img.State == astypes.ImageStateAvailable {
		j.ledger.count("import", done)
		return true, nil
	}
	if img.StateChangeReason == nil || aws.ToString(img.StateChangeReason.Message) == "" {
		return false, fmt.Errorf("the image %s failed and says not why", j.image())
	}
	j.ledger.count("import", failed)
	j.note(aws.ToString(img.StateChangeReason.Message))
	return false, nil
}

// cancel asks the import's job to stop; it may have ended by then.
func (j *journey) cancel() error {
	var img adminapi.Image
	_, err := j.call(func() (err error) { img, err = j.c.Image(j.ctx, j.image()); return err })
	if err != nil {
		return fmt.Errorf("the image: %w", err)
	}
	if img.Job == nil {
		return fmt.Errorf("the image %s has no job", j.image())
	}
	_, err = j.call(func() error {
		return j.c.Admin(j.ctx, http.MethodPost, "/jobs/"+img.Job.ID+"/cancel", adminapi.CancelRequest{Why: "a journey's whim"}, new(adminapi.Job))
	})
	var e *clients.AdminError
	if errors.As(err, &e) && e.Status == http.StatusConflict {
		return nil
	}
	return err
}

// wait waits until an image has one of the states.
func (j *journey) wait(name string, states ...astypes.ImageState) (img astypes.Image, err error) {
	err = rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		var out *appstream.DescribeImagesOutput
		_, err := j.call(func() (err error) {
			out, err = j.c.AppStream.DescribeImages(j.ctx, &appstream.DescribeImagesInput{Names: []string{name}})
			return err
		})
		if err != nil {
			return false, err
		}
		img = out.Images[0]
		for _, s := range states {
			if img.State == s {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		err = fmt.Errorf("%s, %s: %w", name, img.State, err)
	}
	return img, err
}

// there tells whether there is an image of a name.
func (j *journey) there(name string) (bool, error) {
	_, err := j.call(func() error {
		_, err := j.c.AppStream.DescribeImages(j.ctx, &appstream.DescribeImagesInput{Names: []string{name}})
		return err
	})
	if code(err) == "ResourceNotFoundException" {
		return false, nil
	}
	return err == nil, err
}

func (j *journey) export() error {
	name := fmt.Sprintf("export-of-%d", j.n)
	id := ""
	unsure, err := j.call(func() error {
		out, err := j.c.AppStream.CreateExportImageTask(j.ctx, &appstream.CreateExportImageTaskInput{ImageName: aws.String(j.image()), AmiName: &name, IamRoleArn: &j.role})
		if err == nil {
			id = aws.ToString(out.ExportImageTask.TaskId)
		}
		return err
	})
	if err != nil && unsure {
		id, err = j.taskOf(name)
	}
	if err != nil {
		return fmt.Errorf("CreateExportImageTask: %w", err)
	}
	j.ledger.count("export", accepted)
	var task *astypes.ExportImageTask
	err = rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		_, err := j.call(func() error {
			out, err := j.c.AppStream.GetExportImageTask(j.ctx, &appstream.GetExportImageTaskInput{TaskId: &id})
			if err == nil {
				task = out.ExportImageTask
			}
			return err
		})
		return err == nil && task.State != astypes.ExportImageTaskStateExporting, err
	})
	switch {
	case err != nil:
		return fmt.Errorf("the export: %w", err)
	case task.State != astypes.ExportImageTaskStateCompleted && len(task.ErrorDetails) == 0:
		return fmt.Errorf("the export %s is %s and says not why", id, task.State)
	case task.State != astypes.ExportImageTaskStateCompleted:
		j.ledger.count("export", failed)
		return nil
	}
	j.ledger.count("export", done)
	return j.exported(name, aws.ToString(task.AmiId))
}

// taskOf finds the one export task for an AMI name.
func (j *journey) taskOf(ami string) (string, error) {
	var out *appstream.ListExportImageTasksOutput
	_, err := j.call(func() (err error) {
		out, err = j.c.AppStream.ListExportImageTasks(j.ctx, &appstream.ListExportImageTasksInput{Filters: []astypes.Filter{{Name: aws.String("AmiName"), Values: []string{ami}}}})
		return err
	})
	if err != nil {
		return "", err
	}
	if len(out.ExportImageTasks) != 1 {
		return "", fmt.Errorf("%d export tasks make %s", len(out.ExportImageTasks), ami)
	}
	return aws.ToString(out.ExportImageTasks[0].TaskId), nil
}

// exported looks at what an export made.
func (j *journey) exported(name, id string) error {
	found, err := j.amiCalled(name)
	if err != nil {
		return fmt.Errorf("the exported AMI: %w", err)
	}
	if found != id {
		return fmt.Errorf("the export made %s, but %s is called %s", id, found, name)
	}
	var out *ec2.DescribeImagesOutput
	_, err = j.call(func() (err error) {
		out, err = j.c.EC2.DescribeImages(j.ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
		return err
	})
	if err != nil {
		return err
	}
	snap := aws.ToString(out.Images[0].BlockDeviceMappings[0].Ebs.SnapshotId)
	j.ledger.set(func() {
		j.ledger.amis[j.region+"/"+name] = id
		j.ledger.snapshots[snap] = ""
	})
	return j.marked(snap)
}

// removeImage deletes an image and waits until it is gone.
func (j *journey) removeImage(name string) error {
	j.ledger.set(func() { delete(j.ledger.images, j.region+"/"+name) })
	unsure, err := j.call(func() error {
		_, err := j.c.AppStream.DeleteImage(j.ctx, &appstream.DeleteImageInput{Name: &name})
		return err
	})
	if err != nil && !(unsure && code(err) == "ResourceNotFoundException") {
		return fmt.Errorf("DeleteImage: %w", err)
	}
	j.ledger.count("deletion", accepted)
	if _, err := j.wait(name); code(errors.Unwrap(err)) != "ResourceNotFoundException" {
		return fmt.Errorf("the deletion: %w", err)
	}
	j.ledger.count("deletion", gone)
	return nil
}

// remove deletes the image and deregisters the AMI it came from.
func (j *journey) remove() error {
	if err := j.removeImage(j.image()); err != nil {
		return err
	}
	_, err := j.call(func() error {
		_, err := j.c.EC2.DeregisterImage(j.ctx, &ec2.DeregisterImageInput{ImageId: &j.ami})
		return err
	})
	if err != nil && code(err) != "InvalidAMIID.Unavailable" && code(err) != "InvalidAMIID.NotFound" {
		return fmt.Errorf("DeregisterImage: %w", err)
	}
	j.ledger.set(func() { delete(j.ledger.amis, fmt.Sprintf("%s/ami-of-%d", j.region, j.n)) })
	return nil
}
