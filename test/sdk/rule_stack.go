package sdk

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/appstream/types"
)

type stackInput = appstream.CreateStackInput

func takesStack(change func(in *stackInput), says func(n *types.Stack) bool) func(w *house) {
	return func(w *house) {
		n, err := w.newStack(change)
		w.ok(err)
		out, err := w.app.DescribeStacks(w.ctx, &appstream.DescribeStacksInput{Names: []string{"s"}})
		w.ok(err)
		if !says(n) || !says(&out.Stacks[0]) {
			w.t.Errorf("created: %+v\nseen: %+v", n, out.Stacks[0])
		}
	}
}

func refusesStack(change func(in *stackInput), is check, words ...string) func(w *house) {
	return func(w *house) {
		_, err := w.newStack(change)
		w.refuses(err, is, words...)
	}
}

// stackTakes is a rule about an update; the stack has everything that full gives.
func stackTakes(change func(in *appstream.UpdateStackInput), says func(n *types.Stack) bool) func(w *house) {
	return func(w *house) {
		_, err := w.newStack(full)
		w.ok(err)
		in := &appstream.UpdateStackInput{Name: aws.String("s")}
		change(in)
		out, err := w.app.UpdateStack(w.ctx, in)
		w.ok(err)
		if !says(out.Stack) {
			w.t.Errorf("%+v", out.Stack)
		}
	}
}

func full(in *stackInput) {
	in.RedirectURL, in.FeedbackURL, in.EmbedHostDomains = aws.String("https://a.example.com/r"), aws.String("https://a.example.com/f"), []string{"a.example.com"}
	in.StorageConnectors = []types.StorageConnector{{ConnectorType: "HOMEFOLDERS"}, {ConnectorType: "GOOGLE_DRIVE", Domains: []string{"example.com"}}, {ConnectorType: "ONE_DRIVE", Domains: []string{"example.com"}}}
	in.UserSettings = []types.UserSetting{{Action: types.ActionFileUpload, Permission: types.PermissionDisabled}}
	in.AccessEndpoints = []types.AccessEndpoint{{EndpointType: types.AccessEndpointTypeStreaming, VpceId: aws.String("vpce-1")}}
	in.StreamingExperienceSettings = &types.StreamingExperienceSettings{PreferredProtocol: types.PreferredProtocolUdp}
	in.AgentAccessConfig = agents(types.AgentActionComputerVision)
}

func agents(actions ...types.AgentAction) *types.AgentAccessConfig {
	out := &types.AgentAccessConfig{ScreenResolution: "W_1280xH_720", ScreenImageFormat: "PNG"}
	for _, a := range actions {
		out.Settings = append(out.Settings, types.AgentAccessSetting{AgentAction: a, Permission: "ENABLED"})
	}
	return out
}

func deletes(words ...types.StackAttribute) func(in *appstream.UpdateStackInput) {
	return func(in *appstream.UpdateStackInput) { in.AttributesToDelete = words }
}

func permission(n *types.Stack, a types.Action) types.Permission {
	for _, s := range n.UserSettings {
		if s.Action == a {
			return s.Permission
		}
	}
	return ""
}

func connectors(n *types.Stack) string {
	var all []string
	for _, c := range n.StorageConnectors {
		all = append(all, string(c.ConnectorType))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

var stackRules = []rule{
	{"a stack tells seven settings of users that it was not given", takesStack(nil, func(n *types.Stack) bool { return len(n.UserSettings) == 7 })},
	{"a stack tells all settings of users when it was given some", takesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionFileUpload, Permission: types.PermissionDisabled}}
	}, func(n *types.Stack) bool {
		return len(n.UserSettings) == 7 && permission(n, types.ActionFileUpload) == types.PermissionDisabled && permission(n, types.ActionFileDownload) == types.PermissionEnabled
	})},
	{"a stack keeps no settings of applications unless said otherwise", takesStack(nil, func(n *types.Stack) bool {
		return !*n.ApplicationSettings.Enabled && n.ApplicationSettings.SettingsGroup == nil
	})},
	{"a stack prefers TCP unless said otherwise", takesStack(nil, func(n *types.Stack) bool {
		return n.StreamingExperienceSettings.PreferredProtocol == types.PreferredProtocolTcp
	})},
	{"the name of a stack is taken once", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newStack(nil)
		w.refuses(err, isA[*types.ResourceAlreadyExistsException], "s already exists")
	}},
	{"a stack that has a fleet cannot be deleted", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		w.associated()
		_, err = w.app.DeleteStack(w.ctx, &appstream.DeleteStackInput{Name: aws.String("s")})
		w.refuses(err, inUse, "Cannot delete stack s. This stack has fleets associated with it. Only stacks with no fleets associated with it can be deleted.")
	}},
	{"a deleted stack is not there", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.app.DeleteStack(w.ctx, &appstream.DeleteStackInput{Name: aws.String("s")})
		w.ok(err)
		_, err = w.app.DescribeStacks(w.ctx, &appstream.DescribeStacksInput{Names: []string{"s"}})
		w.refuses(err, notFound, "The stack s")
	}},
	{"a fleet is associated with a stack whatever its state", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		w.associated()
		w.associated() // once more is fine
		fleets, err := w.app.ListAssociatedFleets(w.ctx, &appstream.ListAssociatedFleetsInput{StackName: aws.String("s")})
		w.ok(err)
		stacks, err := w.app.ListAssociatedStacks(w.ctx, &appstream.ListAssociatedStacksInput{FleetName: fleetName})
		w.ok(err)
		if !slices.Equal(fleets.Names, []string{"f"}) || !slices.Equal(stacks.Names, []string{"s"}) {
			w.t.Errorf("%v, %v", fleets.Names, stacks.Names)
		}
	}},
	{"a stack has one fleet", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		_, err = w.newFleet(func(in *fleetInput) { in.Name = aws.String("g") })
		w.ok(err)
		w.associated()
		_, err = w.app.AssociateFleet(w.ctx, &appstream.AssociateFleetInput{FleetName: aws.String("g"), StackName: aws.String("s")})
		w.refuses(err, notPermitted, "a stack has one fleet")
	}},
	{"what is associated is there", func(w *house) {
		_, err := w.app.AssociateFleet(w.ctx, &appstream.AssociateFleetInput{FleetName: fleetName, StackName: aws.String("s")})
		w.refuses(err, notFound, "The fleet f")
		_, err = w.newFleet(nil)
		w.ok(err)
		_, err = w.app.AssociateFleet(w.ctx, &appstream.AssociateFleetInput{FleetName: fleetName, StackName: aws.String("s")})
		w.refuses(err, notFound, "The stack s")
	}},
	{"a fleet is taken away from a stack that has it", func(w *house) {
		_, err := w.newStack(nil)
		w.ok(err)
		_, err = w.newFleet(nil)
		w.ok(err)
		_, err = w.app.DisassociateFleet(w.ctx, &appstream.DisassociateFleetInput{FleetName: fleetName, StackName: aws.String("s")})
		w.refuses(err, notFound, "not associated")
	}},
}

var stackSettingRules = []rule{
	{"a bound of the clipboard is taken", takesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionClipboardCopyFromLocalDevice, Permission: types.PermissionEnabled, MaximumLength: aws.Int32(20971520)}}
	}, func(n *types.Stack) bool {
		return permission(n, types.ActionClipboardCopyFromLocalDevice) == types.PermissionEnabled
	})},
	{"a bound of the clipboard has a most", refusesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionClipboardCopyFromLocalDevice, Permission: types.PermissionEnabled, MaximumLength: aws.Int32(20971521)}}
	}, badValue, "from 1 to 20971520")},
	{"a bound of the clipboard has a least", refusesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionClipboardCopyToLocalDevice, Permission: types.PermissionEnabled, MaximumLength: aws.Int32(0)}}
	}, badValue, "from 1 to 20971520")},
	{"only the clipboard has a bound", refusesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionFileUpload, Permission: types.PermissionEnabled, MaximumLength: aws.Int32(5)}}
	}, badCombination, "clipboard")},
	{"only a clipboard that is allowed has a bound", refusesStack(func(in *stackInput) {
		in.UserSettings = []types.UserSetting{{Action: types.ActionClipboardCopyToLocalDevice, Permission: types.PermissionDisabled, MaximumLength: aws.Int32(5)}}
	}, badCombination, "ENABLED")},
	{"settings of applications that are kept have a group", refusesStack(func(in *stackInput) { in.ApplicationSettings = &types.ApplicationSettings{Enabled: aws.Bool(true)} }, badCombination, "SettingsGroup")},
	{"settings of applications that are not kept have no group", refusesStack(func(in *stackInput) {
		in.ApplicationSettings = &types.ApplicationSettings{Enabled: aws.Bool(false), SettingsGroup: aws.String("g")}
	}, badCombination, "enabled")},
	{"settings of applications are taken with a group", takesStack(func(in *stackInput) {
		in.ApplicationSettings = &types.ApplicationSettings{Enabled: aws.Bool(true), SettingsGroup: aws.String("g")}
	}, func(n *types.Stack) bool {
		return *n.ApplicationSettings.Enabled && *n.ApplicationSettings.SettingsGroup == "g"
	})},
	{"a stack takes all it can be given", takesStack(full, func(n *types.Stack) bool {
		return connectors(n) == "GOOGLE_DRIVE HOMEFOLDERS ONE_DRIVE" && len(n.EmbedHostDomains) == 1 && *n.AccessEndpoints[0].VpceId == "vpce-1" && n.AgentAccessConfig != nil
	})},
	{"a kind of storage is connected once", refusesStack(func(in *stackInput) {
		in.StorageConnectors = []types.StorageConnector{{ConnectorType: "HOMEFOLDERS"}, {ConnectorType: "HOMEFOLDERS"}}
	}, badCombination, "two storage connectors")},
	{"home folders are of no domain", refusesStack(func(in *stackInput) {
		in.StorageConnectors = []types.StorageConnector{{ConnectorType: "HOMEFOLDERS", Domains: []string{"example.com"}}}
	}, badCombination, "no Domains")},
	{"a drive is of domains", refusesStack(func(in *stackInput) { in.StorageConnectors = []types.StorageConnector{{ConnectorType: "ONE_DRIVE"}} }, badCombination, "needs Domains")},
	{"a user is not sent to a script", refusesStack(func(in *stackInput) { in.RedirectURL = aws.String("javascript:alert(1)") }, badValue, "RedirectURL")},
	{"a user does not say how it was to a script", refusesStack(func(in *stackInput) { in.FeedbackURL = aws.String("data:text/html,x") }, badValue, "FeedbackURL")},
	{"a page is framed by hosts alone", refusesStack(func(in *stackInput) { in.EmbedHostDomains = []string{"evil.example.com; script-src *"} }, badConstraint, "embedHostDomains")},
	{"an access endpoint has an id", refusesStack(func(in *stackInput) {
		in.AccessEndpoints = []types.AccessEndpoint{{EndpointType: types.AccessEndpointTypeStreaming, VpceId: aws.String("eni-1")}}
	}, badValue, "vpce-")},
	{"an agent with hands has eyes", refusesStack(func(in *stackInput) { in.AgentAccessConfig = agents(types.AgentActionComputerInput) }, badCombination, "COMPUTER_VISION")},
	{"screenshots of agents need a bucket", refusesStack(func(in *stackInput) {
		in.AgentAccessConfig = agents(types.AgentActionComputerVision)
		in.AgentAccessConfig.ScreenshotsUploadEnabled = aws.Bool(true)
	}, badCombination, "S3BucketArn")},
	{"the access of agents can be deleted", stackTakes(deletes(types.StackAttributeAgentAccessConfig), func(n *types.Stack) bool { return n.AgentAccessConfig == nil })},
	{"all storage can be deleted", stackTakes(deletes(types.StackAttributeStorageConnectors), func(n *types.Stack) bool { return connectors(n) == "" })},
	//lint:ignore SA1019 older clients send it
	{"all storage can be deleted the older way", stackTakes(func(in *appstream.UpdateStackInput) { in.DeleteStorageConnectors = aws.Bool(true) }, func(n *types.Stack) bool { return connectors(n) == "" })},
	{"home folders can be deleted alone", stackTakes(deletes(types.StackAttributeStorageConnectorHomefolders), func(n *types.Stack) bool { return connectors(n) == "GOOGLE_DRIVE ONE_DRIVE" })},
	{"one drive can be deleted alone", stackTakes(deletes(types.StackAttributeStorageConnectorGoogleDrive), func(n *types.Stack) bool { return connectors(n) == "HOMEFOLDERS ONE_DRIVE" })},
	{"the other drive can be deleted alone", stackTakes(deletes(types.StackAttributeStorageConnectorOneDrive), func(n *types.Stack) bool { return connectors(n) == "GOOGLE_DRIVE HOMEFOLDERS" })},
	{"the addresses after the end can be deleted", stackTakes(deletes(types.StackAttributeRedirectUrl, types.StackAttributeFeedbackUrl), func(n *types.Stack) bool { return n.RedirectURL == nil && n.FeedbackURL == nil })},
	{"the hosts that frame can be deleted", stackTakes(deletes(types.StackAttributeEmbedHostDomains), func(n *types.Stack) bool { return len(n.EmbedHostDomains) == 0 })},
	{"the access endpoints can be deleted", stackTakes(deletes(types.StackAttributeAccessEndpoints), func(n *types.Stack) bool { return len(n.AccessEndpoints) == 0 })},
	{"the settings of users can be deleted, and the standard holds again", stackTakes(deletes(types.StackAttributeUserSettings),
		func(n *types.Stack) bool { return permission(n, types.ActionFileUpload) == types.PermissionEnabled })},
	{"the protocol can be deleted, and the standard holds again", stackTakes(deletes(types.StackAttributeStreamingExperienceSettings), func(n *types.Stack) bool {
		return n.StreamingExperienceSettings.PreferredProtocol == types.PreferredProtocolTcp
	})},
	{"an update leaves what it does not name", stackTakes(func(in *appstream.UpdateStackInput) { in.DisplayName = aws.String("S") }, func(n *types.Stack) bool {
		return *n.DisplayName == "S" && *n.RedirectURL == "https://a.example.com/r" && permission(n, types.ActionFileUpload) == types.PermissionDisabled
	})},
	{"nothing of a stack is set and deleted at once", func(w *house) {
		_, err := w.newStack(full)
		w.ok(err)
		_, err = w.app.UpdateStack(w.ctx, &appstream.UpdateStackInput{Name: aws.String("s"), RedirectURL: aws.String("https://b.example.com"), AttributesToDelete: []types.StackAttribute{types.StackAttributeRedirectUrl}})
		w.refuses(err, badCombination, "at once")
	}},
}
