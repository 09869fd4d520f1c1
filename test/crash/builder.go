package crash

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	astypes "github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
	"slipway/test/rig/clients"
)

// builderActs is how much is asked of a builder between its first start and its
// deletion.
const builderActs = 3

func (j *journey) builderName() *string { return aws.String(fmt.Sprintf("builder-%d", j.n)) }

func (j *journey) madeName() string { return fmt.Sprintf("made-%d", j.n) }

// build takes an image builder through a life: up, stopped, started, made into an
// image, and deleted. What is asked next depends on where it came to rest: its
// machine may have been killed.
func (j *journey) build() error {
	unsure, err := j.call(func() error {
		_, err := j.c.AppStream.CreateImageBuilder(j.ctx, &appstream.CreateImageBuilderInput{
			Name: j.builderName(), ImageName: aws.String(j.image()), InstanceType: aws.String("GeneralPurpose.m7i.large"), IamRoleArn: &j.role})
		return err
	})
	if err != nil && !(unsure && code(err) == "ResourceAlreadyExistsException") {
		return fmt.Errorf("CreateImageBuilder: %w", err)
	}
	state, err := j.rests("create", astypes.ImageBuilderStateRunning)
	made := false
	for range builderActs {
		if err == nil && state == astypes.ImageBuilderStateRunning {
			state, err = j.dwell()
		}
		switch {
		case err != nil:
			return err
		case state != astypes.ImageBuilderStateRunning:
			state, err = j.startBuilder()
		case made || j.chance(50):
			state, err = j.stopBuilder()
		default:
			made = true
			state, err = j.makeImage()
		}
	}
	if err != nil {
		return err
	}
	if err := j.deleteBuilder(); err != nil {
		return err
	}
	if made && j.chance(j.o.Odds.Delete) {
		return j.removeImage(j.madeName())
	}
	return nil
}

// dwell leaves a running builder alone for a while and tells where it is then.
// Meanwhile its machine has no reason of ours to end.
func (j *journey) dwell() (astypes.ImageBuilderState, error) {
	name := j.region + "/" + *j.builderName()
	j.hold(name, true)
	err := j.sleep(time.Duration(j.rng.Int64N(int64(j.o.Pause))))
	j.hold(name, false)
	if err != nil {
		return "", err
	}
	b, err := j.settled()
	if err != nil {
		return "", err
	}
	if b.State != astypes.ImageBuilderStateRunning {
		j.ledger.count("builders", string(b.State))
	}
	j.says(b)
	return b.State, nil
}

// settled waits until the builder is on its way nowhere.
func (j *journey) settled() (b astypes.ImageBuilder, err error) {
	err = rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		var out *appstream.DescribeImageBuildersOutput
		_, err := j.call(func() (err error) {
			out, err = j.c.AppStream.DescribeImageBuilders(j.ctx, &appstream.DescribeImageBuildersInput{Names: []string{*j.builderName()}})
			return err
		})
		if err != nil {
			return false, err
		}
		b = out.ImageBuilders[0]
		switch b.State {
		case astypes.ImageBuilderStateRunning, astypes.ImageBuilderStateStopped, astypes.ImageBuilderStateFailed:
			return true, nil
		}
		return false, nil
	})
	switch {
	case err != nil:
		j.ledger.count("builders", "stuck")
		return b, fmt.Errorf("%s is %s for ever: %w", *j.builderName(), b.State, err)
	case b.State == astypes.ImageBuilderStateFailed && reasonOf(b) == "":
		return b, fmt.Errorf("%s has failed and says not why", *j.builderName())
	}
	return b, nil
}

// says notes what is wrong with a builder, in its words.
func (j *journey) says(b astypes.ImageBuilder) {
	switch b.State {
	case astypes.ImageBuilderStateFailed:
		j.note(reasonOf(b))
	case astypes.ImageBuilderStateRunning:
		for _, e := range b.ImageBuilderErrors {
			j.note(aws.ToString(e.ErrorMessage)) // it runs and lacks something
		}
	}
}

func reasonOf(b astypes.ImageBuilder) string {
	if b.StateChangeReason == nil {
		return ""
	}
	return aws.ToString(b.StateChangeReason.Message)
}

// rests waits until the builder is at rest after something that was accepted,
// and notes where. It has failed when it is not what was wanted, and must say
// why then.
func (j *journey) rests(what string, want astypes.ImageBuilderState) (astypes.ImageBuilderState, error) {
	what = "builder: " + what
	j.ledger.count(what, accepted)
	b, err := j.settled()
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	j.says(b)
	j.ledger.count("builders", string(b.State))
	if b.State == want {
		j.ledger.count(what, done)
	} else {
		// Where it is now tells the reason: failed with a text, or ended by itself.
		j.ledger.count(what, failed)
	}
	return b.State, nil
}

func (j *journey) startBuilder() (astypes.ImageBuilderState, error) {
	unsure, err := j.call(func() error {
		_, err := j.c.AppStream.StartImageBuilder(j.ctx, &appstream.StartImageBuilderInput{Name: j.builderName()})
		return err
	})
	// One that was started by an earlier try may run by now.
	if err != nil && !unsure {
		return "", fmt.Errorf("StartImageBuilder: %w", err)
	}
	return j.rests("start", astypes.ImageBuilderStateRunning)
}

func (j *journey) stopBuilder() (astypes.ImageBuilderState, error) {
	unsure, err := j.call(func() error {
		_, err := j.c.AppStream.StopImageBuilder(j.ctx, &appstream.StopImageBuilderInput{Name: j.builderName()})
		return err
	})
	// Its machine may have been killed since it was seen running.
	if err != nil && !unsure && code(err) != "OperationNotPermittedException" {
		return "", fmt.Errorf("StopImageBuilder: %w", err)
	}
	return j.rests("stop", astypes.ImageBuilderStateStopped)
}

// makeImage makes an image of the builder from outside of its guest.
func (j *journey) makeImage() (astypes.ImageBuilderState, error) {
	unsure, err := j.call(func() error {
		return j.c.Admin(j.ctx, http.MethodPost, "/image-builders/"+*j.builderName()+"/images", adminapi.NewImageRequest{Name: j.madeName()}, new(adminapi.Image))
	})
	var refused *clients.AdminError
	if errors.As(err, &refused) {
		// An earlier try began it, or its machine was killed.
		there, e := j.there(j.madeName())
		switch {
		case e != nil:
			return "", e
		case !there:
			j.note("create-image was refused, the machine had ended: " + refused.Text)
			return j.rests("look", astypes.ImageBuilderStateFailed)
		case unsure:
			err = nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("create-image: %w", err)
	}
	j.ledger.count("builder: image", accepted)
	j.ledger.set(func() { j.ledger.images[j.region+"/"+j.madeName()] = true })
	img, err := j.wait(j.madeName(), astypes.ImageStateAvailable, astypes.ImageStateFailed)
	switch {
	case err != nil:
		return "", fmt.Errorf("create-image: %w", err)
	case img.State == astypes.ImageStateAvailable:
		j.ledger.count("builder: image", done)
	case img.StateChangeReason == nil || aws.ToString(img.StateChangeReason.Message) == "":
		return "", fmt.Errorf("the image %s failed and says not why", j.madeName())
	default:
		j.ledger.count("builder: image", failed)
		j.note(aws.ToString(img.StateChangeReason.Message))
	}
	return j.rests("rest after image", astypes.ImageBuilderStateStopped)
}

// deleteBuilder deletes it wherever it is at rest and waits until it is gone.
func (j *journey) deleteBuilder() error {
	tried := false // and perhaps carried out, without an answer
	err := rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		unsure, err := j.call(func() error {
			_, err := j.c.AppStream.DeleteImageBuilder(j.ctx, &appstream.DeleteImageBuilderInput{Name: j.builderName()})
			return err
		})
		tried = tried || unsure
		switch {
		case tried && code(err) == "ResourceNotFoundException":
			return true, nil
		case code(err) == "OperationNotPermittedException": // its machine ended just now: on its way to FAILED
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("DeleteImageBuilder: %w", err)
	}
	j.ledger.count("builder: delete", accepted)
	var state astypes.ImageBuilderState
	err = rig.Poll(j.ctx, j.o.Limit, again, func() (bool, error) {
		_, err := j.call(func() error {
			out, err := j.c.AppStream.DescribeImageBuilders(j.ctx, &appstream.DescribeImageBuildersInput{Names: []string{*j.builderName()}})
			if err == nil {
				state = out.ImageBuilders[0].State
			}
			return err
		})
		if code(err) == "ResourceNotFoundException" {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		j.ledger.count("builders", "stuck")
		return fmt.Errorf("%s is not deleted, it is %s: %w", *j.builderName(), state, err)
	}
	j.ledger.count("builder: delete", gone)
	return nil
}
