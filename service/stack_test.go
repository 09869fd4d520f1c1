package service_test

import (
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// TestStackSettingsRules has one row per rule about a stack's settings.
func TestStackSettingsRules(t *testing.T) {
	h := newHouse(t, rules.AWS)
	on := func(a string) domain.UserPermission { return domain.UserPermission{Action: a, Enabled: true} }
	agents := func(p ...domain.UserPermission) *domain.AgentAccess {
		return &domain.AgentAccess{Actions: p, Resolution: "W_1280xH_720", Format: "PNG"}
	}
	for _, c := range []struct {
		name  string
		n     domain.Stack
		kind  fault.Kind
		words string
	}{
		{"redirect to a script", domain.Stack{RedirectURL: "javascript:alert(1)"}, fault.BadValue, "RedirectURL"},
		{"feedback nowhere", domain.Stack{FeedbackURL: "https://"}, fault.BadValue, "FeedbackURL"},
		{"connector twice", domain.Stack{Connectors: []domain.StorageConnector{{Type: "HOMEFOLDERS"}, {Type: "HOMEFOLDERS"}}}, fault.BadCombination, "two"},
		{"domains of home folders", domain.Stack{Connectors: []domain.StorageConnector{{Type: "HOMEFOLDERS", Domains: []string{"a.b"}}}}, fault.BadCombination, "no Domains"},
		{"drive without domains", domain.Stack{Connectors: []domain.StorageConnector{{Type: "GOOGLE_DRIVE"}}}, fault.BadCombination, "needs Domains"},
		{"action twice", domain.Stack{Permissions: []domain.UserPermission{on(domain.ActionUpload), on(domain.ActionUpload)}}, fault.BadCombination, "twice"},
		{"length too large", domain.Stack{Permissions: []domain.UserPermission{{Action: domain.ActionCopyIn, Enabled: true, MaxLength: 20971521}}}, fault.BadValue, "from 1 to 20971520"},
		{"length of none", domain.Stack{Permissions: []domain.UserPermission{{Action: domain.ActionCopyIn, Enabled: true, MaxLength: -1}}}, fault.BadValue, "from 1 to 20971520"},
		{"length of files", domain.Stack{Permissions: []domain.UserPermission{{Action: domain.ActionUpload, Enabled: true, MaxLength: 5}}}, fault.BadCombination, "clipboard"},
		{"length of what is off", domain.Stack{Permissions: []domain.UserPermission{{Action: domain.ActionCopyOut, MaxLength: 5}}}, fault.BadCombination, "ENABLED"},
		{"settings without group", domain.Stack{Settings: domain.AppSettings{Enabled: true}}, fault.BadCombination, "SettingsGroup"},
		{"group without settings", domain.Stack{Settings: domain.AppSettings{Group: "g"}}, fault.BadCombination, "enabled"},
		{"endpoint without id", domain.Stack{Endpoints: []domain.AccessEndpoint{{Type: "STREAMING"}}}, fault.BadValue, "vpce-"},
		{"input without vision", domain.Stack{AgentAccess: agents(on("COMPUTER_INPUT"))}, fault.BadCombination, "COMPUTER_VISION"},
		{"screenshots without bucket", domain.Stack{AgentAccess: &domain.AgentAccess{Actions: agents(on("COMPUTER_VISION")).Actions, Resolution: "W_1280xH_720", Format: "PNG", Upload: new(true)}}, fault.BadCombination, "S3BucketArn"},
	} {
		_, err := h.CreateStack(t.Context(), me, "s", c.n)
		h.wants(c.name, err, c.kind, c.words)
	}
	n, err := h.CreateStack(t.Context(), me, "s", domain.Stack{Permissions: []domain.UserPermission{{Action: domain.ActionUpload}}})
	h.must(err)
	if all := n.AllPermissions(); len(all) != 7 || n.Protocol != "TCP" || n.Settings.Enabled {
		t.Errorf("%+v", n)
	}
	for action, want := range map[string]bool{domain.ActionUpload: false, domain.ActionDownload: true, domain.ActionCopyIn: true, "DOMAIN_SMART_CARD_SIGNIN": false} {
		if got, _ := n.Allows(action); got != want {
			t.Errorf("%s: %v", action, got)
		}
	}
	_, err = h.CreateStack(t.Context(), me, "s", domain.Stack{})
	h.wants("taken name", err, fault.Exists, "already exists")
}

func TestStackUpdateAndDeletionOfAttributes(t *testing.T) {
	h := newHouse(t, rules.AWS)
	_, err := h.CreateStack(t.Context(), me, "s", domain.Stack{RedirectURL: "https://a.b/", Embedders: []string{"a.b"}, Redirection: &domain.Redirection{Enabled: true},
		Connectors: []domain.StorageConnector{{Type: "HOMEFOLDERS"}, {Type: "GOOGLE_DRIVE", Domains: []string{"a.b"}}}, Permissions: []domain.UserPermission{{Action: domain.ActionUpload}}})
	h.must(err)
	update := func(u service.StackUpdate) (*domain.Stack, error) { return h.UpdateStack(t.Context(), me, "s", u) }
	_, err = update(service.StackUpdate{RedirectURL: new("https://c.d/"), Drop: []string{"REDIRECT_URL"}})
	h.wants("set and deleted", err, fault.BadCombination, "at once")
	n, err := update(service.StackUpdate{Description: new("d"), Drop: []string{"STORAGE_CONNECTOR_GOOGLE_DRIVE", "REDIRECT_URL", "EMBED_HOST_DOMAINS", "CONTENT_REDIRECTION", "USER_SETTINGS", "THEME_NAME"}})
	h.must(err)
	if len(n.Connectors) != 1 || n.RedirectURL != "" || n.Embedders != nil || n.Redirection != nil || n.Description != "d" {
		t.Errorf("%+v", n)
	}
	if ok, _ := n.Allows(domain.ActionUpload); !ok {
		t.Error("the deleted settings still hold")
	}
	_, err = h.UpdateStack(t.Context(), me, "none", service.StackUpdate{})
	h.wants("unknown", err, fault.NotFound, "The stack none")
}

// TestStacksAndFleetsHoldEachOther: one fleet a stack, and nothing goes while it
// is used.
func TestStacksAndFleetsHoldEachOther(t *testing.T) {
	h := newHouse(t, rules.AWS)
	h.available("img")
	for _, name := range []string{"f", "g"} {
		_, err := h.fleet(func(in *service.FleetSpec) { in.Name = name })
		h.must(err)
	}
	for _, name := range []string{"s", "s2"} {
		_, err := h.CreateStack(t.Context(), me, name, domain.Stack{})
		h.must(err)
	}
	h.must(h.AssociateFleet(t.Context(), me, "f", "s"))
	h.must(h.AssociateFleet(t.Context(), me, "f", "s")) // once more is fine
	h.must(h.AssociateFleet(t.Context(), me, "f", "s2"))
	h.wants("a second fleet", h.AssociateFleet(t.Context(), me, "g", "s"), fault.WrongState, "one fleet")
	h.wants("no fleet", h.AssociateFleet(t.Context(), me, "none", "s"), fault.NotFound, "The fleet none")
	h.wants("no stack", h.AssociateFleet(t.Context(), me, "f", "none"), fault.NotFound, "The stack none")
	fleets, err := h.StackFleets(t.Context(), me, "s")
	if err != nil || len(fleets) != 1 || fleets[0] != "f" {
		t.Errorf("fleets: %v, %v", fleets, err)
	}
	stacks, next, err := h.FleetStacks(t.Context(), me, "f", "", 1)
	if err != nil || len(stacks) != 1 || stacks[0] != "s" || next != "s" {
		t.Errorf("stacks: %v, %q, %v", stacks, next, err)
	}
	h.wants("fleet with a stack", h.DeleteFleet(t.Context(), me, "f"), fault.InUse,
		"The fleet f is associated with a stack. To delete the fleet, you must dissociate it from the stack.")
	h.wants("stack with a fleet", h.DeleteStack(t.Context(), me, "s"), fault.InUse,
		"Cannot delete stack s. This stack has fleets associated with it. Only stacks with no fleets associated with it can be deleted.")
	h.must(h.DisassociateFleet(t.Context(), me, "f", "s"))
	h.wants("once more", h.DisassociateFleet(t.Context(), me, "f", "s"), fault.NotFound, "not associated")
	h.must(h.DeleteStack(t.Context(), me, "s"))
	h.must(h.DisassociateFleet(t.Context(), me, "f", "s2"))
	h.must(h.DeleteFleet(t.Context(), me, "f"))
}
