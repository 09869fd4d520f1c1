package appstream

import (
	"context"
	"sort"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

// listPage is a page of the operations whose requests name no size.
const listPage = 50

func (a api) createStack(ctx context.Context, c *wire.Call, in *aws.CreateStackRequest) (*aws.CreateStackResult, error) {
	n := domain.Stack{
		DisplayName: convert.Val(in.DisplayName), Description: convert.Val(in.Description), Connectors: connectors(in.StorageConnectors),
		RedirectURL: convert.Val(in.RedirectURL), FeedbackURL: convert.Val(in.FeedbackURL), Permissions: permissions(in.UserSettings),
		Endpoints: endpoints(in.AccessEndpoints), Embedders: in.EmbedHostDomains, Redirection: redirection(in.ContentRedirection), Tags: in.Tags,
	}
	if p := appSettings(in.ApplicationSettings); p != nil {
		n.Settings = *p
	}
	if p := in.StreamingExperienceSettings; p != nil {
		n.Protocol = convert.Val(p.PreferredProtocol)
	}
	if p := in.AgentAccessConfig; p != nil {
		n.AgentAccess = agents(p.Settings, p.S3BucketArn, p.ScreenshotsUploadEnabled, p.ScreenResolution, p.ScreenImageFormat, p.UserControlMode)
	}
	out, err := a.svc.CreateStack(ctx, convert.Caller(c), convert.Val(in.Name), n)
	if err != nil {
		return nil, err
	}
	return &aws.CreateStackResult{Stack: stackShape(out)}, nil
}

func (a api) updateStack(ctx context.Context, c *wire.Call, in *aws.UpdateStackRequest) (*aws.UpdateStackResult, error) {
	u := service.StackUpdate{
		DisplayName: in.DisplayName, Description: in.Description, Connectors: connectors(in.StorageConnectors), RedirectURL: in.RedirectURL, FeedbackURL: in.FeedbackURL,
		Permissions: permissions(in.UserSettings), Settings: appSettings(in.ApplicationSettings), Endpoints: endpoints(in.AccessEndpoints), Embedders: in.EmbedHostDomains,
		Redirection: redirection(in.ContentRedirection), Drop: in.AttributesToDelete,
	}
	if p := in.StreamingExperienceSettings; p != nil {
		u.Protocol = p.PreferredProtocol
	}
	if convert.Val(in.DeleteStorageConnectors) { // the older way to say so
		u.Drop = append(u.Drop, "STORAGE_CONNECTORS")
	}
	if p := in.AgentAccessConfig; p != nil {
		u.AgentAccess = agents(p.Settings, p.S3BucketArn, p.ScreenshotsUploadEnabled, p.ScreenResolution, p.ScreenImageFormat, p.UserControlMode)
	}
	out, err := a.svc.UpdateStack(ctx, convert.Caller(c), convert.Val(in.Name), u)
	if err != nil {
		return nil, err
	}
	return &aws.UpdateStackResult{Stack: stackShape(out)}, nil
}

func (a api) describeStacks(ctx context.Context, c *wire.Call, in *aws.DescribeStacksRequest) (*aws.DescribeStacksResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	list, next, err := a.svc.Stacks(ctx, convert.Caller(c), in.Names, after, listPage)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeStacksResult{Stacks: []aws.Stack{}, NextToken: convert.Token(next)}
	for _, n := range list {
		out.Stacks = append(out.Stacks, *stackShape(n))
	}
	return out, nil
}

func (a api) deleteStack(ctx context.Context, c *wire.Call, in *aws.DeleteStackRequest) (*aws.DeleteStackResult, error) {
	return &aws.DeleteStackResult{}, a.svc.DeleteStack(ctx, convert.Caller(c), convert.Val(in.Name))
}

func (a api) associateFleet(ctx context.Context, c *wire.Call, in *aws.AssociateFleetRequest) (*aws.AssociateFleetResult, error) {
	return &aws.AssociateFleetResult{}, a.svc.AssociateFleet(ctx, convert.Caller(c), convert.Val(in.FleetName), convert.Val(in.StackName))
}

func (a api) disassociateFleet(ctx context.Context, c *wire.Call, in *aws.DisassociateFleetRequest) (*aws.DisassociateFleetResult, error) {
	return &aws.DisassociateFleetResult{}, a.svc.DisassociateFleet(ctx, convert.Caller(c), convert.Val(in.FleetName), convert.Val(in.StackName))
}

func (a api) listAssociatedFleets(ctx context.Context, c *wire.Call, in *aws.ListAssociatedFleetsRequest) (*aws.ListAssociatedFleetsResult, error) {
	if _, err := convert.Position(in.NextToken); err != nil {
		return nil, err
	}
	names, err := a.svc.StackFleets(ctx, convert.Caller(c), convert.Val(in.StackName))
	if err != nil {
		return nil, err
	}
	return &aws.ListAssociatedFleetsResult{Names: append([]string{}, names...)}, nil
}

func (a api) listAssociatedStacks(ctx context.Context, c *wire.Call, in *aws.ListAssociatedStacksRequest) (*aws.ListAssociatedStacksResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, next, err := a.svc.FleetStacks(ctx, convert.Caller(c), convert.Val(in.FleetName), after, listPage)
	if err != nil {
		return nil, err
	}
	return &aws.ListAssociatedStacksResult{Names: append([]string{}, names...), NextToken: convert.Token(next)}, nil
}

func connectors(in []aws.StorageConnector) (out []domain.StorageConnector) {
	for _, x := range in {
		out = append(out, domain.StorageConnector{
			Type: convert.Val(x.ConnectorType), Resource: convert.Val(x.ResourceIdentifier), Domains: x.Domains, AdminConsent: x.DomainsRequireAdminConsent,
		})
	}
	return out
}

const allowed = "ENABLED"

func permissions(in []aws.UserSetting) (out []domain.UserPermission) {
	for _, x := range in {
		p := domain.UserPermission{Action: convert.Val(x.Action), Enabled: convert.Val(x.Permission) == allowed}
		if x.MaximumLength != nil {
			if p.MaxLength = *x.MaximumLength; p.MaxLength == 0 {
				p.MaxLength = -1 // what was sent is out of range; 0 stands for what was not
			}
		}
		out = append(out, p)
	}
	return out
}

func appSettings(in *aws.ApplicationSettings) *domain.AppSettings {
	if in == nil {
		return nil
	}
	return &domain.AppSettings{Enabled: convert.Val(in.Enabled), Group: convert.Val(in.SettingsGroup)}
}

func endpoints(in []aws.AccessEndpoint) (out []domain.AccessEndpoint) {
	for _, e := range in {
		out = append(out, domain.AccessEndpoint{Type: convert.Val(e.EndpointType), VPCE: convert.Val(e.VpceId)})
	}
	return out
}

func redirection(in *aws.ContentRedirection) *domain.Redirection {
	if in == nil || in.HostToClient == nil {
		return nil
	}
	h := in.HostToClient
	return &domain.Redirection{Enabled: convert.Val(h.Enabled), Allowed: h.AllowedUrls, Denied: h.DeniedUrls}
}

func agents(actions []aws.AgentAccessSetting, bucket *string, upload *bool, resolution, format, control *string) *domain.AgentAccess {
	out := &domain.AgentAccess{Bucket: convert.Val(bucket), Upload: upload, Resolution: convert.Val(resolution), Format: convert.Val(format), UserControl: convert.Val(control)}
	for _, x := range actions {
		out.Actions = append(out.Actions, domain.UserPermission{Action: convert.Val(x.AgentAction), Enabled: convert.Val(x.Permission) == allowed})
	}
	return out
}

func onOff(on bool) *string {
	if on {
		return new(allowed)
	}
	return new("DISABLED")
}

// stackShape leaves the buckets of home folders and application settings out:
// there are none here.
func stackShape(n *domain.Stack) *aws.Stack {
	out := &aws.Stack{
		Arn: new(domain.StackARN(n.Key)), Name: new(n.Key.Name), DisplayName: convert.Opt(n.DisplayName), Description: convert.Opt(n.Description), CreatedTime: new(n.Created),
		RedirectURL: convert.Opt(n.RedirectURL), FeedbackURL: convert.Opt(n.FeedbackURL), EmbedHostDomains: n.Embedders,
		ApplicationSettings:         &aws.ApplicationSettingsResponse{Enabled: new(n.Settings.Enabled), SettingsGroup: convert.Opt(n.Settings.Group)},
		StreamingExperienceSettings: &aws.StreamingExperienceSettings{PreferredProtocol: new(n.Protocol)},
	}
	for _, x := range n.Connectors {
		out.StorageConnectors = append(out.StorageConnectors, aws.StorageConnector{
			ConnectorType: new(x.Type), ResourceIdentifier: convert.Opt(x.Resource), Domains: x.Domains, DomainsRequireAdminConsent: x.AdminConsent,
		})
	}
	for _, p := range n.AllPermissions() {
		out.UserSettings = append(out.UserSettings, aws.UserSetting{Action: new(p.Action), Permission: onOff(p.Enabled), MaximumLength: convert.Opt(p.MaxLength)})
	}
	sort.Slice(out.UserSettings, func(i, j int) bool { return *out.UserSettings[i].Action < *out.UserSettings[j].Action })
	for _, e := range n.Endpoints {
		out.AccessEndpoints = append(out.AccessEndpoints, aws.AccessEndpoint{EndpointType: new(e.Type), VpceId: convert.Opt(e.VPCE)})
	}
	if r := n.Redirection; r != nil {
		out.ContentRedirection = &aws.ContentRedirection{HostToClient: &aws.UrlRedirectionConfig{Enabled: new(r.Enabled), AllowedUrls: r.Allowed, DeniedUrls: r.Denied}}
	}
	if x := n.AgentAccess; x != nil {
		cfg := &aws.AgentAccessConfig{S3BucketArn: convert.Opt(x.Bucket), ScreenshotsUploadEnabled: x.Upload, ScreenResolution: convert.Opt(x.Resolution),
			ScreenImageFormat: convert.Opt(x.Format), UserControlMode: convert.Opt(x.UserControl)}
		for _, p := range x.Actions {
			cfg.Settings = append(cfg.Settings, aws.AgentAccessSetting{AgentAction: new(p.Action), Permission: onOff(p.Enabled)})
		}
		out.AgentAccessConfig = cfg
	}
	return out
}
