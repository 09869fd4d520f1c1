package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	apptypes "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"slipway/api/admin/adminapi"
)

const (
	roleName     = "demo-image-role"
	imageName    = "demo-image"
	instanceType = "GeneralPurpose.m7i.large"
	trust        = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	permissions  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*",
		"Action":["ec2:ModifyImageAttribute","ec2:DescribeImages","ec2:CopyImage","ec2:CreateTags"]}]}`
)

// play is the main job.
func (d *demo) play(ctx context.Context) error {
	cfg, err := d.config()
	if err != nil {
		return err
	}
	apps := appstream.NewFromConfig(cfg)
	var role string
	for _, s := range []struct {
		name string
		f    func() (string, error)
	}{
		{"Push the disk as a machine image", func() (string, error) { return d.push(ctx) }},
		{"Make the role that lets AppStream use it", func() (string, error) {
			role, err = makeRole(ctx, iam.NewFromConfig(cfg))
			return role, err
		}},
		{"Import it and boot it", func() (string, error) { return d.importImage(ctx, apps, role) }},
		{"Export it as a new machine image", func() (string, error) { return d.export(ctx, apps, role) }},
		{"Pull the exported disk", func() (string, error) { return d.pull(ctx) }},
		{"Compare both disks", func() (string, error) { return d.compare() }},
	} {
		if err := d.do(s.name, s.f); err != nil {
			return err
		}
	}
	return nil
}

// config is what `slipway env` would put into the environment.
func (d *demo) config() (aws.Config, error) {
	var c struct {
		Endpoint  string `json:"endpoint"`
		Region    string `json:"region"`
		AccessKey string `json:"access_key_id"`
		Secret    string `json:"secret_access_key"`
	}
	b, err := os.ReadFile(filepath.Join(d.data, "client.json"))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return aws.Config{
		Region: c.Region, BaseEndpoint: aws.String(c.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.Secret, ""),
	}, err
}

func (d *demo) push(ctx context.Context) (string, error) {
	var r struct {
		AMI  string `json:"ami"`
		Sent int64  `json:"sent_bytes"`
		Size int64  `json:"disk_bytes"`
	}
	if err := d.slipway(ctx, &r, "ami", "push", d.disk, "--name", "demo-source", "--json"); err != nil {
		return "", err
	}
	d.ami = r.AMI
	return fmt.Sprintf("%s, %d MB of a disk of %.1f GiB", r.AMI, r.Sent/1e6, float64(r.Size)/(1<<30)), nil
}

func makeRole(ctx context.Context, c *iam.Client) (string, error) {
	out, err := c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(roleName), AssumeRolePolicyDocument: aws.String(trust), Description: aws.String("Made by make demo"),
		Tags: []iamtypes.Tag{{Key: aws.String("made-by"), Value: aws.String("demo")}},
	})
	if err != nil {
		return "", err
	}
	_, err = c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String(roleName), PolicyName: aws.String("images"), PolicyDocument: aws.String(permissions),
	})
	return aws.ToString(out.Role.Arn), err
}

func (d *demo) importImage(ctx context.Context, c *appstream.Client, role string) (string, error) {
	_, err := c.CreateImportedImage(ctx, &appstream.CreateImportedImageInput{
		Name: aws.String(imageName), SourceAmiId: &d.ami, IamRoleArn: &role, DisplayName: aws.String("Demo"),
		RuntimeValidationConfig: &apptypes.RuntimeValidationConfig{IntendedInstanceType: aws.String(instanceType)},
		Tags:                    map[string]string{"made-by": "demo"},
	})
	if err != nil {
		return "", err
	}
	d.image = imageName
	// The watch ends with the job; the state that AWS's clients see decides.
	watched := d.slipway(ctx, nil, "job", "watch", "--image", imageName)
	out, err := c.DescribeImages(ctx, &appstream.DescribeImagesInput{Names: []string{imageName}})
	if err != nil {
		return "", errors.Join(watched, err)
	}
	img := out.Images[0]
	if img.State != apptypes.ImageStateAvailable {
		why := ""
		if img.StateChangeReason != nil {
			why = ": " + aws.ToString(img.StateChangeReason.Message)
		}
		return "", errors.Join(watched, fmt.Errorf("the image is %s%s", img.State, why))
	}
	if watched != nil {
		return "", watched
	}
	var shown adminapi.Image
	if err := d.slipway(ctx, &shown, "image", "show", imageName, "--json"); err != nil {
		return "", err
	}
	d.screenshot = shown.Evidence.Screenshot
	var rungs []string
	for _, r := range shown.Evidence.Rungs {
		if r.Reached {
			rungs = append(rungs, r.Name)
		}
	}
	return fmt.Sprintf("%s, booted in %.1f s: %s", img.State, float64(shown.Evidence.BootMS)/1000, strings.Join(rungs, ", ")), nil
}

func (d *demo) export(ctx context.Context, c *appstream.Client, role string) (string, error) {
	out, err := c.CreateExportImageTask(ctx, &appstream.CreateExportImageTaskInput{
		ImageName: aws.String(imageName), AmiName: aws.String("demo-exported"), AmiDescription: aws.String("Exported by make demo"),
		IamRoleArn: &role, TagSpecifications: map[string]string{"made-by": "demo"},
	})
	if err != nil {
		return "", err
	}
	d.task = aws.ToString(out.ExportImageTask.TaskId)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := c.GetExportImageTask(ctx, &appstream.GetExportImageTaskInput{TaskId: &d.task})
		if err != nil {
			return "", err
		}
		t := got.ExportImageTask
		switch t.State {
		case apptypes.ExportImageTaskStateExporting:
		case apptypes.ExportImageTaskStateCompleted:
			d.exported = aws.ToString(t.AmiId)
			return fmt.Sprintf("%s, %s", t.State, d.exported), nil
		default:
			why := ""
			for _, e := range t.ErrorDetails {
				why += ": " + aws.ToString(e.ErrorMessage)
			}
			return "", fmt.Errorf("the task is %s%s", t.State, why)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (d *demo) pull(ctx context.Context) (string, error) {
	d.exportedDisk = filepath.Join(d.dir, "exported.raw")
	var r struct {
		Bytes int64 `json:"disk_bytes"`
		Got   int64 `json:"received_bytes"`
	}
	err := d.slipway(ctx, &r, "ami", "pull", d.exported, d.exportedDisk, "--json")
	return fmt.Sprintf("%d MB of a disk of %.1f GiB, every block verified", r.Got/1e6, float64(r.Bytes)/(1<<30)), err
}

// compare tells whether the exported disk is the imported one. A volume is a
// whole number of GiB, so zeros may follow.
func (d *demo) compare() (string, error) {
	in, err := os.Open(d.disk)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.Open(d.exportedDisk)
	if err != nil {
		return "", err
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		return "", err
	}
	size := info.Size()
	a, b := sha256.New(), sha256.New()
	hashed := make(chan error, 1)
	go func() { _, err := io.Copy(a, in); hashed <- err }()
	_, err = io.CopyN(b, out, size)
	if err := errors.Join(<-hashed, err); err != nil {
		return "", fmt.Errorf("read both disks, the exported one as far as the imported one goes: %w", err)
	}
	for rest := bufio.NewReaderSize(out, 1<<20); ; {
		c, err := rest.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if c != 0 {
			return "", errors.New("the exported disk has data beyond the end of the imported one")
		}
	}
	x, y := hex.EncodeToString(a.Sum(nil)), hex.EncodeToString(b.Sum(nil))
	if x != y {
		return "", fmt.Errorf("the disks differ: sha256 %s went in, %s came out", x, y)
	}
	return "the same, sha256 " + x[:16] + "…", nil
}
