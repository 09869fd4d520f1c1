package appstream

import (
	"context"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// pageSize is DescribeImages' page when MaxResults is absent or 0; the model
// allows up to 25.
const pageSize = 25

func (a api) createImportedImage(ctx context.Context, c *wire.Call, in *aws.CreateImportedImageRequest) (*aws.CreateImportedImageResult, error) {
	req := service.Import{
		Name: convert.Val(in.Name), SourceAMI: convert.Val(in.SourceAmiId), WorkspaceImage: convert.Val(in.WorkspaceImageId),
		RoleARN: convert.Val(in.IamRoleArn), DisplayName: convert.Val(in.DisplayName), Description: convert.Val(in.Description),
		AgentPolicy: convert.Val(in.AgentSoftwareVersion), Tags: in.Tags, DryRun: convert.Val(in.DryRun),
	}
	if in.RuntimeValidationConfig != nil {
		req.Intended = convert.Val(in.RuntimeValidationConfig.IntendedInstanceType)
	}
	for _, app := range in.AppCatalogConfig {
		req.Catalog = append(req.Catalog, domain.Application{
			Name: convert.Val(app.Name), DisplayName: convert.Val(app.DisplayName), Path: convert.Val(app.AbsoluteAppPath),
			IconPath: convert.Val(app.AbsoluteIconPath), ManifestPath: convert.Val(app.AbsoluteManifestPath),
			WorkingDirectory: convert.Val(app.WorkingDirectory), Parameters: convert.Val(app.LaunchParameters),
		})
	}
	img, err := a.svc.ImportImage(ctx, convert.Caller(c), req)
	if err != nil {
		return nil, err
	}
	return &aws.CreateImportedImageResult{Image: a.imageShape(img)}, nil
}

func (a api) describeImages(ctx context.Context, c *wire.Call, in *aws.DescribeImagesRequest) (*aws.DescribeImagesResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	q := service.ImageQuery{Names: in.Names, ARNs: in.Arns, Type: convert.Val(in.Type), After: after, Limit: int(convert.Val(in.MaxResults))}
	if q.Limit == 0 {
		q.Limit = pageSize
	}
	imgs, next, err := a.svc.Images(ctx, convert.Caller(c), q)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeImagesResult{Images: make([]aws.Image, len(imgs)), NextToken: convert.Token(next)}
	for n, i := range imgs {
		a.fillImage(&out.Images[n], i)
	}
	return out, nil
}

func (a api) deleteImage(ctx context.Context, c *wire.Call, in *aws.DeleteImageRequest) (*aws.DeleteImageResult, error) {
	img, err := a.svc.DeleteImage(ctx, convert.Caller(c), convert.Val(in.Name))
	if err != nil {
		return nil, err
	}
	return &aws.DeleteImageResult{Image: a.imageShape(img)}, nil
}

// What every image of ours says; nobody changes an answer.
var (
	always, never     = true, false
	yes, no           = "TRUE", "FALSE"
	enabled, disabled = "ENABLED", "DISABLED"
)

func (a api) imageShape(i *domain.Image) *aws.Image {
	out := new(aws.Image)
	a.fillImage(out, i)
	return out
}

// fillImage describes an image. The shape points into it rather than at copies:
// a page has hundreds of members, and they were most of what a read costs.
func (a api) fillImage(out *aws.Image, i *domain.Image) {
	*out = aws.Image{
		Name: &i.Key.Name, Arn: new(domain.ImageARN(i.Key)), DisplayName: convert.Set(&i.DisplayName),
		Description: convert.Set(&i.Description), State: (*string)(&i.State), Visibility: &i.Visibility,
		ImageType: &i.Type, Platform: convert.Set(&i.Platform), CreatedTime: &i.Created,
		ImageBuilderSupported: &always, ImageSharedWithOthers: &no, ManagedSoftwareIncluded: &never,
		DynamicAppProvidersEnabled: &disabled, LatestAppstreamAgentVersion: a.latestAgent(i.AgentPolicy, i.AgentVersion),
		SupportedInstanceFamilies: i.Families,
	}
	switch {
	case i.Visibility == domain.VisibilityShared:
		for _, p := range i.Shares { // the caller's own, the only one they see
			out.ImagePermissions = permissionShape(p)
		}
	case len(i.Shares) > 0:
		out.ImageSharedWithOthers = &yes
	}
	out.PublicBaseImageReleasedDate = i.Released
	out.ImageBuilderName, out.BaseImageArn = convert.Set(&i.Builder), convert.Set(&i.BaseImage)
	if len(i.Software) > 0 {
		out.ManagedSoftwareIncluded = &always
	}
	if i.DynamicCatalog {
		out.DynamicAppProvidersEnabled = &enabled
	}
	out.AppstreamAgentVersion = convert.Set(&i.AgentVersion)
	if i.Reason != nil {
		out.StateChangeReason = &aws.ImageStateChangeReason{Code: convert.Opt(i.Reason.Code), Message: convert.Opt(i.Reason.Message)}
	}
	for _, e := range i.Errors {
		out.ImageErrors = append(out.ImageErrors, aws.ResourceError{ErrorCode: new(e.Code), ErrorMessage: new(e.Message), ErrorTimestamp: new(e.At)})
	}
	if len(i.Catalog) > 0 {
		out.Applications = make([]aws.Application, len(i.Catalog))
	}
	for n := range i.Catalog {
		app := &i.Catalog[n]
		out.Applications[n] = aws.Application{
			Name: &app.Name, DisplayName: orName(app), LaunchPath: &app.Path,
			LaunchParameters: convert.Set(&app.Parameters), WorkingDirectory: convert.Set(&app.WorkingDirectory),
			IconURL: convert.Opt(a.svc.Config.Icons.URL(app.Icon)), Enabled: &always, Platforms: platforms(i.Platform), CreatedTime: &i.Created,
		}
	}
}

// latestAgent tells whether machines have this server's guest tool, which is the
// newest agent there is here; nil when nobody has heard of theirs.
func (a api) latestAgent(policy, version string) *string {
	switch {
	case policy == domain.AgentAlways:
		return &yes
	case version == "":
		return nil
	case version == a.svc.Config.Tool:
		return &yes
	}
	return &no
}

func orName(a *domain.Application) *string {
	if strings.TrimSpace(a.DisplayName) != "" {
		return &a.DisplayName
	}
	return &a.Name
}

func platforms(p string) []string {
	if p == "" {
		return nil
	}
	return []string{p}
}
