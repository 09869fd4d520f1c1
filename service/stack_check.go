package service

import (
	"net/url"
	"slices"
	"strings"

	"slipway/domain"
	"slipway/fault"
)

// checkStack holds a stack's settings against what the pages of the API say in
// prose; the model has checked what it can.
func checkStack(n *domain.Stack) error {
	for _, u := range []struct{ member, value string }{{"RedirectURL", n.RedirectURL}, {"FeedbackURL", n.FeedbackURL}} {
		if err := checkPageURL(u.member, u.value); err != nil {
			return err
		}
	}
	for _, check := range []func(*domain.Stack) error{checkConnectors, checkUserPermissions, checkAppSettings, checkStackAccess, checkAgents} {
		if err := check(n); err != nil {
			return err
		}
	}
	return nil
}

// checkPageURL wants an address that a browser can be sent to without running
// anything in our page.
func checkPageURL(member, value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.BadValue, "%s must be an http or https URL.", member)
	}
	return nil
}

func checkConnectors(n *domain.Stack) error {
	seen := map[string]bool{}
	for _, x := range n.Connectors {
		switch {
		case seen[x.Type]:
			return fault.New(fault.BadCombination, "There are two storage connectors of type %s.", x.Type)
		case x.Type == "HOMEFOLDERS" && len(x.Domains)+len(x.AdminConsent) > 0:
			return fault.New(fault.BadCombination, "A storage connector of type HOMEFOLDERS has no Domains.")
		case x.Type != "HOMEFOLDERS" && len(x.Domains) == 0:
			return fault.New(fault.BadCombination, "A storage connector of type %s needs Domains.", x.Type)
		case x.Type != "ONE_DRIVE" && len(x.AdminConsent) > 0:
			return fault.New(fault.BadCombination, "DomainsRequireAdminConsent is for storage connectors of type ONE_DRIVE.")
		}
		for _, d := range x.AdminConsent {
			if !slices.Contains(x.Domains, d) {
				return fault.New(fault.BadCombination, "DomainsRequireAdminConsent has %s, which is not one of Domains.", d)
			}
		}
		seen[x.Type] = true
	}
	return nil
}

func checkUserPermissions(n *domain.Stack) error {
	seen := map[string]bool{}
	for _, p := range n.Permissions {
		clipboard := p.Action == domain.ActionCopyIn || p.Action == domain.ActionCopyOut
		switch {
		case seen[p.Action]:
			return fault.New(fault.BadCombination, "UserSettings has the action %s twice.", p.Action)
		case p.MaxLength == 0:
		case p.MaxLength < 0 || p.MaxLength > domain.MaxClipboard:
			return fault.New(fault.BadValue, "MaximumLength is %d: it must be from 1 to %d.", p.MaxLength, domain.MaxClipboard)
		case !clipboard:
			return fault.New(fault.BadCombination, "MaximumLength is for the clipboard's actions, not for %s.", p.Action)
		case !p.Enabled:
			return fault.New(fault.BadCombination, "MaximumLength needs the action %s to be ENABLED.", p.Action)
		}
		seen[p.Action] = true
	}
	return nil
}

func checkAppSettings(n *domain.Stack) error {
	switch a := n.Settings; {
	case a.Enabled && a.Group == "":
		return fault.New(fault.BadCombination, "ApplicationSettings that are enabled need a SettingsGroup.")
	case !a.Enabled && a.Group != "":
		return fault.New(fault.BadCombination, "SettingsGroup needs ApplicationSettings to be enabled.")
	}
	return nil
}

func checkStackAccess(n *domain.Stack) error {
	return checkEndpoints(n.Endpoints)
}

func checkEndpoints(all []domain.AccessEndpoint) error {
	for _, e := range all {
		if !strings.HasPrefix(e.VPCE, "vpce-") {
			return fault.New(fault.BadValue, "An access endpoint needs a VpceId of the form vpce-….")
		}
	}
	return nil
}

func checkAgents(n *domain.Stack) error {
	a := n.AgentAccess
	if a == nil {
		return nil
	}
	on := map[string]bool{}
	seen := map[string]bool{}
	for _, p := range a.Actions {
		if seen[p.Action] {
			return fault.New(fault.BadCombination, "AgentAccessConfig has the action %s twice.", p.Action)
		}
		seen[p.Action], on[p.Action] = true, p.Enabled
	}
	switch {
	case len(a.Actions) == 0 || a.Resolution == "" || a.Format == "":
		return fault.New(fault.BadCombination, "AgentAccessConfig needs Settings, ScreenResolution and ScreenImageFormat.")
	case on["COMPUTER_INPUT"] && !on["COMPUTER_VISION"]:
		return fault.New(fault.BadCombination, "The agent action COMPUTER_INPUT needs COMPUTER_VISION.")
	case a.Upload != nil && *a.Upload && a.Bucket == "":
		return fault.New(fault.BadCombination, "ScreenshotsUploadEnabled needs an S3BucketArn.")
	}
	return nil
}
