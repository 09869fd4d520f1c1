package domain

import "slices"

// KindStack is the kind of stacks.
const KindStack Kind = "stack"

// Stack is what users are let into: the settings of their sessions, and the
// fleet whose machines they get. It refers to its fleet.
type Stack struct {
	Meta `json:"-"`

	DisplayName string
	Description string
	Connectors  []StorageConnector `json:",omitempty"`
	RedirectURL string             `json:",omitempty"` // where a user goes when the session ends
	FeedbackURL string             `json:",omitempty"`
	Permissions []UserPermission   // every action that is not left to the default
	Settings    AppSettings
	Endpoints   []AccessEndpoint `json:",omitempty"`
	Embedders   []string         `json:",omitempty"` // hosts whose pages may frame a session
	Protocol    string           // TCP or UDP
	Redirection *Redirection     `json:",omitempty"`
	AgentAccess *AgentAccess     `json:",omitempty"`
	Tags        Tags
}

// StorageConnector is storage that users find in their sessions.
type StorageConnector struct {
	Type         string
	Resource     string   `json:",omitempty"`
	Domains      []string `json:",omitempty"`
	AdminConsent []string `json:",omitempty"` // those of Domains that need an administrator's consent
}

// UserPermission allows or forbids users one action; MaxLength bounds what is
// copied at once, in characters, 0 for no bound.
type UserPermission struct {
	Action    string
	Enabled   bool
	MaxLength int64 `json:",omitempty"`
}

// AppSettings says whether applications keep their settings between sessions.
type AppSettings struct {
	Enabled bool
	Group   string `json:",omitempty"`
}

// Redirection opens addresses of the session in the user's own browser.
type Redirection struct {
	Enabled bool
	Allowed []string `json:",omitempty"`
	Denied  []string `json:",omitempty"`
}

// AgentAccess is what software agents may do in sessions.
type AgentAccess struct {
	Actions     []UserPermission
	Bucket      string `json:",omitempty"`
	Upload      *bool  `json:",omitempty"`
	Resolution  string
	Format      string
	UserControl string `json:",omitempty"`
}

func (*Stack) Alias() string   { return "" }
func (*Stack) Schema() int     { return 1 }
func (s *Stack) TagSet() *Tags { return &s.Tags }

// StackARN is the ARN of a stack.
func StackARN(k Key) string { return ARN("appstream", k.Region, k.Account, "stack/"+k.Name) }

// Actions of users that a stack decides on.
const (
	ActionCopyIn   = "CLIPBOARD_COPY_FROM_LOCAL_DEVICE"
	ActionCopyOut  = "CLIPBOARD_COPY_TO_LOCAL_DEVICE"
	ActionUpload   = "FILE_UPLOAD"
	ActionDownload = "FILE_DOWNLOAD"
	ActionTimeZone = "AUTO_TIME_ZONE_REDIRECTION"
)

// defaultPermissions is what a stack answers that was told nothing: seven
// actions, as the real service does; smart cards alone are off. The eighth, time
// zones, is told when it was asked for.
var defaultPermissions = []UserPermission{
	{ActionCopyIn, true, 0}, {ActionCopyOut, true, 0}, {ActionUpload, true, 0}, {ActionDownload, true, 0},
	{"PRINTING_TO_LOCAL_DEVICE", true, 0}, {"DOMAIN_PASSWORD_SIGNIN", true, 0}, {"DOMAIN_SMART_CARD_SIGNIN", false, 0},
}

// AllPermissions lists what holds for users of the stack, defaults included.
func (s *Stack) AllPermissions() []UserPermission {
	out := slices.Clone(defaultPermissions)
	for _, p := range s.Permissions {
		if i := slices.IndexFunc(out, func(o UserPermission) bool { return o.Action == p.Action }); i >= 0 {
			out[i] = p
		} else {
			out = append(out, p)
		}
	}
	return out
}

// Allows tells whether users may do an action, and how many characters at
// once, 0 for no bound.
func (s *Stack) Allows(action string) (bool, int64) {
	for _, p := range s.AllPermissions() {
		if p.Action == action {
			return p.Enabled, p.MaxLength
		}
	}
	return false, 0
}

// MaxClipboard is the largest bound of the clipboard (API reference,
// UserSetting).
const MaxClipboard = 20971520
