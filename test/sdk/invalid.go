package sdk

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// unchecked turns off what the SDK itself refuses, so that the server has to.
func unchecked(o *appstream.Options) {
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		_, err := s.Initialize.Remove("OperationInputValidation")
		return err
	})
}

// validation is members that break the constraints of the model.
func (w *world) validation() {
	invalid := coded("ValidationException")
	set := func(change func(*appstream.CreateImportedImageInput)) error { return w.importing(change) }
	_, noName := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{}, unchecked)
	_, pages := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{MaxResults: aws.Int32(26)})
	_, word := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Type: "SECRET"})
	_, task := w.app.GetExportImageTask(w.ctx, &appstream.GetExportImageTaskInput{TaskId: aws.String("7")})
	_, amiName := w.app.CreateExportImageTask(w.ctx, &appstream.CreateExportImageTaskInput{ImageName: aws.String("x"), AmiName: aws.String("a"), IamRoleArn: &w.role})
	w.refused([]refusal{
		{"pattern of the name", set(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String("-x") }), invalid, []string{"'name'", "-x"}},
		{"length of the name", set(func(in *appstream.CreateImportedImageInput) { in.Name = aws.String(strings.Repeat("x", 102)) }), invalid, nil},
		{"pattern of the AMI", set(func(in *appstream.CreateImportedImageInput) { in.SourceAmiId = aws.String("ami-X") }), invalid, []string{"'sourceAmiId'", "ami-X"}},
		{"pattern of the role", set(func(in *appstream.CreateImportedImageInput) { in.IamRoleArn = aws.String("mover") }), invalid, []string{"'iamRoleArn'", "mover"}},
		{"length of the description", set(func(in *appstream.CreateImportedImageInput) { in.Description = aws.String(strings.Repeat("d", 257)) }), invalid, []string{"'description'", "256"}},
		{"enumeration", set(func(in *appstream.CreateImportedImageInput) { in.AgentSoftwareVersion = "OLDEST" }), invalid, []string{"'agentSoftwareVersion'", "OLDEST"}},
		{"nested member", set(func(in *appstream.CreateImportedImageInput) {
			in.AppCatalogConfig = []types.ApplicationConfig{{Name: aws.String("ok"), AbsoluteAppPath: aws.String("p")}, {Name: aws.String("not ok!"), AbsoluteAppPath: aws.String("p")}}
		}), invalid, []string{"'appCatalogConfig.2.member.name'"}},
		{"key of a tag", set(func(in *appstream.CreateImportedImageInput) { in.Tags = map[string]string{"aws:mine": "1"} }), invalid, []string{"'tags.aws:mine.key'"}},
		{"required member", noName, invalid, []string{"'name'", "null"}},
		{"highest number", pages, invalid, []string{"'maxResults'", "25"}},
		{"enumeration in a query", word, invalid, []string{"'type'", "SECRET"}},
		{"pattern of the task", task, invalid, []string{"'taskId'"}},
		{"pattern of the AMI's name", amiName, invalid, []string{"'amiName'"}},
	})
	_, token := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{NextToken: aws.String("made up")})
	_, both := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Names: []string{"a"}, Arns: []string{w.imageARN("b")}})
	_, unknown := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Arns: []string{w.imageARN("unknown")}})
	_, foreign := w.app.DescribeImages(w.ctx, &appstream.DescribeImagesInput{Arns: []string{strings.Replace(w.imageARN("x"), w.srv.Client.Account, "210987654321", 1)}})
	_, gone := w.app.DeleteImage(w.ctx, &appstream.DeleteImageInput{Name: aws.String("unknown")})
	missing := isA[*types.ResourceNotFoundException]
	w.refused([]refusal{
		{"token", token, coded("InvalidParameterValueException"), []string{"NextToken"}},
		{"names and ARNs", both, isA[*types.InvalidParameterCombinationException], nil},
		{"unknown ARN", unknown, missing, nil},
		{"foreign ARN", foreign, missing, nil},
		{"unknown image", gone, missing, []string{"unknown"}},
	})
}

func (w *world) imageARN(name string) string {
	return "arn:aws:appstream:" + w.srv.Client.Region + ":" + w.srv.Client.Account + ":image/" + name
}

// notBuilt: an operation that the server lacks says so, and the SDK does not
// take it for something that is worth a retry.
func (w *world) notBuilt() {
	begun := w.wire.count()
	_, err := w.app.CreateUsageReportSubscription(w.ctx, &appstream.CreateUsageReportSubscriptionInput{})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "NotImplementedException" || !strings.Contains(e.ErrorMessage(), "CreateUsageReportSubscription") {
		w.t.Errorf("an operation that is not built: %v", err)
	}
	if n := w.wire.count() - begun; n != 1 {
		w.t.Errorf("asked %d times for an operation that is not built", n)
	}
}

// signatures: who is not known, or signs wrongly, is told so in the client's
// own protocol.
func (w *world) signatures() {
	ask := func(key, secret, token string) error {
		cfg := w.cfg.Copy()
		cfg.Credentials = credentials.NewStaticCredentialsProvider(key, secret, token)
		_, err := appstream.NewFromConfig(cfg).DescribeImages(w.ctx, &appstream.DescribeImagesInput{})
		return err
	}
	known := w.srv.Client
	w.refused([]refusal{
		{"unknown key", ask("AKIAUNKNOWNUNKNOWN12", known.SecretAccessKey, ""), coded("UnrecognizedClientException"), nil},
		{"wrong secret", ask(known.AccessKeyID, "wrong", ""), coded("InvalidSignatureException"), nil},
		{"made-up session", ask(known.AccessKeyID, known.SecretAccessKey, "token"), coded("UnrecognizedClientException"), nil},
	})
}
