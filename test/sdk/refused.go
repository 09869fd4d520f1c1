package sdk

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// isA refuses an error that is not the typed exception E, the caller's fault,
// and a message with those words.
func isA[E interface {
	error
	smithy.APIError
}](err error, words ...string) error {
	var e E
	if !errors.As(err, &e) {
		return fmt.Errorf("got %w, want a %T", err, e)
	}
	return says(e, words)
}

// coded is isA for exceptions that no operation models.
func coded(code string) check {
	return func(err error, words ...string) error {
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != code {
			return fmt.Errorf("got %w, want %s", err, code)
		}
		return says(e, words)
	}
}

func says(e smithy.APIError, words []string) error {
	if e.ErrorFault() == smithy.FaultServer {
		return fmt.Errorf("%s: it is said to be the server's fault", e.ErrorCode())
	}
	for _, w := range words {
		if !strings.Contains(e.ErrorMessage(), w) {
			return fmt.Errorf("%s: %q does not say %q", e.ErrorCode(), e.ErrorMessage(), w)
		}
	}
	if e.ErrorMessage() == "" {
		return fmt.Errorf("%s has no message", e.ErrorCode())
	}
	return nil
}

type check func(err error, words ...string) error

// refusal is one bad request and what its answer has to be.
type refusal struct {
	name  string
	err   error
	is    check
	words []string
}

func (w *world) refused(list []refusal) {
	w.t.Helper()
	for _, r := range list {
		if r.err == nil {
			w.t.Errorf("%s: not refused", r.name)
		} else if err := r.is(r.err, r.words...); err != nil {
			w.t.Errorf("%s: %v", r.name, err)
		}
	}
}

// importing asks for an import that would be accepted if change did not spoil it.
func (w *world) importing(change func(*appstream.CreateImportedImageInput)) error {
	in := &appstream.CreateImportedImageInput{Name: aws.String("refused"), SourceAmiId: &w.ami, IamRoleArn: &w.role}
	change(in)
	_, err := w.app.CreateImportedImage(w.ctx, in)
	return err
}

func (w *world) fromAMI(id string) error {
	return w.importing(func(in *appstream.CreateImportedImageInput) { in.SourceAmiId = &id })
}

func (w *world) withRole(arn string) error {
	return w.importing(func(in *appstream.CreateImportedImageInput) { in.IamRoleArn = &arn })
}

// importRefused is every request that is answered with its own exception at
// once, and leaves nothing behind.
func (w *world) importRefused() {
	none := isA[*types.IncompatibleImageException]
	role := isA[*types.InvalidRoleException]
	value := coded("InvalidParameterValueException")
	w.refused([]refusal{
		{"unknown AMI", w.fromAMI("ami-0123456789abcdef0"), isA[*types.ResourceNotFoundException], []string{"ami-0123456789abcdef0"}},
		{"BIOS", w.fromAMI(w.bios()), none, []string{"uefi"}},
		{"two volumes", w.fromAMI(w.twoVolumes()), none, []string{"exactly one"}},
		{"encrypted", w.fromAMI(w.encrypted()), none, []string{"encrypted"}},
		{"501 GiB", w.fromAMI(w.large()), none, []string{"501", "500 GiB"}},
		{"no TPM", w.fromAMI(w.register("no-tpm", func(in *ec2.RegisterImageInput) { in.TpmSupport = "" })), none, []string{"v2.0"}},
		{"missing role", w.withRole("arn:aws:iam::" + w.srv.Client.Account + ":role/none"), role, []string{"encountered an error because your IAM role"}},
		{"untrusting role", w.withRole(w.newRole("untrusting", otherTrust, importable)), role, []string{"does not trust"}},
		{"powerless role", w.withRole(w.newRole("powerless", trust, exportable)), role, []string{"ec2:ModifyImageAttribute"}},
		{"role of nobody", w.withRole("arn:aws:iam::210987654321:role/mover"), role, []string{"another account"}},
		{"neither source", w.importing(func(in *appstream.CreateImportedImageInput) { in.SourceAmiId = nil }), isA[*types.InvalidParameterCombinationException], []string{"SourceAmiId"}},
		{"both sources", w.importing(func(in *appstream.CreateImportedImageInput) { in.WorkspaceImageId = aws.String("wsi-abcdefghi") }), isA[*types.InvalidParameterCombinationException], []string{"WorkspaceImageId"}},
		{"other source", w.importing(func(in *appstream.CreateImportedImageInput) {
			in.SourceAmiId, in.IamRoleArn, in.WorkspaceImageId = nil, nil, aws.String("wsi-abcdefghi")
		}), isA[*types.OperationNotPermittedException], nil},
		{"no role", w.importing(func(in *appstream.CreateImportedImageInput) { in.IamRoleArn = nil }), isA[*types.InvalidParameterCombinationException], []string{"IamRoleArn"}},
		{"reserved prefix", w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("AppStream-mine") }), value, []string{"reserved"}},
		{"repeated application", w.importing(func(in *appstream.CreateImportedImageInput) {
			in.AppCatalogConfig = []types.ApplicationConfig{{Name: aws.String("a"), AbsoluteAppPath: aws.String(`C:\a.exe`)}, {Name: aws.String("A"), AbsoluteAppPath: aws.String(`C:\b.exe`)}}
		}), isA[*types.InvalidParameterCombinationException], []string{"more than once"}},
		{"instance type", w.importing(func(in *appstream.CreateImportedImageInput) {
			in.RuntimeValidationConfig = &types.RuntimeValidationConfig{IntendedInstanceType: aws.String("stream.standard.medium")}
		}), value, []string{"stream.standard.medium"}},
		{"dry run", w.importing(func(in *appstream.CreateImportedImageInput) { in.DryRun = aws.Bool(true) }), isA[*types.DryRunOperationException], []string{"DryRun"}},
		{"dry run of what would fail", w.importing(func(in *appstream.CreateImportedImageInput) {
			in.DryRun, in.SourceAmiId = aws.Bool(true), aws.String("ami-0123456789abcdef0")
		}), isA[*types.ResourceNotFoundException], nil},
	})
	out, err := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{})
	w.ok(err)
	for _, i := range out.Images {
		if *i.Name == "refused" {
			w.t.Errorf("a refused import left an image that is %s", i.State)
		}
	}
	w.takenName()
}

func (w *world) takenName() {
	w.t.Helper()
	w.ok(w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("taken") }))
	err := w.importing(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("taken") })
	w.refused([]refusal{{"taken name", err, isA[*types.ResourceAlreadyExistsException], []string{"taken"}}})
	w.settled("taken")
}

// settled waits until nothing happens to an image any more.
func (w *world) settled(name string) (img types.Image) {
	w.t.Helper()
	w.until("the image has settled", func() (bool, error) {
		img = w.image(name)
		return img.State == types.ImageStateAvailable || img.State == types.ImageStateFailed, nil
	})
	return img
}

func (w *world) bios() string {
	return w.register("bios", func(in *ec2.RegisterImageInput) {
		in.BootMode, in.TpmSupport = ec2types.BootModeValuesLegacyBios, ""
	})
}

func (w *world) twoVolumes() string {
	return w.register("two", func(in *ec2.RegisterImageInput) {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, ec2types.BlockDeviceMapping{
			DeviceName: aws.String("/dev/sdb"), Ebs: &ec2types.EbsBlockDevice{VolumeSize: aws.Int32(5)},
		})
	})
}

func (w *world) encrypted() string {
	return w.register("encrypted", func(in *ec2.RegisterImageInput) { in.BlockDeviceMappings[0].Ebs.Encrypted = aws.Bool(true) })
}

func (w *world) large() string {
	return w.register("large", func(in *ec2.RegisterImageInput) { in.BlockDeviceMappings[0].Ebs.VolumeSize = aws.Int32(501) })
}
