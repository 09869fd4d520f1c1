package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"

	"slipway/disk/fixture"
	"slipway/test/rig"
)

const importGoal = 300 * time.Millisecond

// push makes an AMI of a disk.
func (b *bench) push(path, name string) (string, error) {
	_, out, err := b.timed(b.bin, "ami", "push", path, "--name", name, "--data-dir", b.srv.DataDir, "--json")
	if err != nil {
		return "", err
	}
	var pushed struct{ AMI string }
	if err := json.Unmarshal(out, &pushed); err != nil || pushed.AMI == "" {
		return "", fmt.Errorf("push said %s: %v", out, err)
	}
	return pushed.AMI, nil
}

// importOnce measures from the call to AVAILABLE, as a client sees it.
func (b *bench) importOnce(name, ami string, validate bool) (time.Duration, error) {
	in := &appstream.CreateImportedImageInput{Name: &name, SourceAmiId: &ami, IamRoleArn: &b.role}
	if validate {
		in.RuntimeValidationConfig = &types.RuntimeValidationConfig{IntendedInstanceType: aws.String("GeneralPurpose.m7i.large")}
	}
	begun := time.Now()
	if _, err := b.c.AppStream.CreateImportedImage(b.ctx, in); err != nil {
		return 0, err
	}
	err := rig.Poll(b.ctx, 10*time.Minute, 2*time.Millisecond, func() (bool, error) {
		out, err := b.c.AppStream.DescribeImages(b.ctx, &appstream.DescribeImagesInput{Names: []string{name}})
		if err != nil {
			return false, err
		}
		img := out.Images[0]
		if img.State == types.ImageStateFailed {
			return false, fmt.Errorf("the import failed: %s", aws.ToString(img.StateChangeReason.Message))
		}
		return img.State == types.ImageStateAvailable, nil
	})
	return time.Since(begun), err
}

func (b *bench) forget(name string) error {
	if _, err := b.c.AppStream.DeleteImage(b.ctx, &appstream.DeleteImageInput{Name: &name}); err != nil {
		return err
	}
	return rig.Poll(b.ctx, time.Minute, 5*time.Millisecond, func() (bool, error) {
		_, err := b.c.AppStream.DescribeImages(b.ctx, &appstream.DescribeImagesInput{Names: []string{name}})
		return err != nil, nil
	})
}

// imports measures imports without validation of disks of two sizes.
func (b *bench) imports() error {
	b.table.head("Import without validation, from the call to AVAILABLE; median of %d", 2*b.rounds+1)
	var took []time.Duration
	for _, gib := range []int64{1, 100} {
		raw := filepath.Join(b.dir, fmt.Sprintf("import-%d.raw", gib))
		if err := fixture.Make(b.ctx, fixture.Debian12, raw, fixture.Options{SizeBytes: gib << 30}); err != nil {
			return err
		}
		ami, err := b.push(raw, fmt.Sprintf("import-%d", gib))
		if err != nil {
			return err
		}
		var all []time.Duration
		for range 2*b.rounds + 1 {
			name := fmt.Sprintf("import-%d", gib)
			t, err := b.importOnce(name, ami, false)
			if err != nil {
				return err
			}
			all = append(all, t)
			if err := b.forget(name); err != nil {
				return err
			}
		}
		t := median(all)
		took = append(took, t)
		b.table.add(fmt.Sprintf("%d GiB virtual", gib), ms(t), "< 300 ms", t < importGoal)
	}
	r := ratio(took[1], took[0])
	b.table.add("100 GiB against 1 GiB", times(r), "the same (≤ 1.5 ×)", r <= 1.5)
	return nil
}
