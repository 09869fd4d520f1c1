package domain

import "time"

// SessionKey is temporary credentials: an access key of a role's session.
// Key.Name is the access key id; like AccessKey it has no scope.
type SessionKey struct {
	Meta `json:"-"`

	Secret  string
	Token   string // the session token every request repeats
	Account string
	Role    string // the role's name
	RoleID  string // of that role and no later one of its name
	Session string // the name the caller chose
	Source  string // source identity; "" when none was set
	Expires time.Time
	// Scoped sessions may do what both the role and one of Policies allow.
	Scoped   bool
	Policies []string // documents
	// Guest, when set, is whom the session was given to: it ends with that run
	// of that machine.
	Guest *GuestRun `json:",omitempty"`
}

// GuestRun is one run of a machine of an image builder's.
type GuestRun struct {
	Machine string
	Run     int64
}

func (*SessionKey) Alias() string { return "" }
func (*SessionKey) Schema() int   { return 1 }

// Ended tells whether a session is past its time.
func (k *SessionKey) Ended(now time.Time) bool { return !now.Before(k.Expires) }

// ARN is who the session is.
func (k *SessionKey) ARN() string {
	return ARN("sts", "", k.Account, "assumed-role/"+k.Role+"/"+k.Session)
}

// Durations of a session (STS API reference, AssumeRole).
const (
	SessionDefault = time.Hour
	SessionChained = time.Hour // the most for a session that a session assumed
)
