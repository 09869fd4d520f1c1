package domain

import "strings"

// Account is a tenant.
type Account struct {
	Meta `json:"-"` // Key.Name is the 12-digit id
	Note string
}

func (*Account) Alias() string { return "" }
func (*Account) Schema() int   { return 1 }

// AccessKey lets somebody sign requests. Key.Name is the access key id.
type AccessKey struct {
	Meta `json:"-"`

	Secret   string
	Account  string
	User     string // "" is the account's root
	Disabled bool
}

// Alias finds the keys of an account's root, or of one of its users.
func (k *AccessKey) Alias() string { return KeyOwner(k.Account, k.User) }

// KeyOwner is the alias of the access keys of a user; of the root for "".
func KeyOwner(account, user string) string {
	if user == "" {
		return account
	}
	return account + "/" + user
}

func (*AccessKey) Schema() int { return 1 }

// Role is an IAM role. Key.Region is empty.
type Role struct {
	Meta `json:"-"`

	ID          string // AROA…
	Path        string
	Description string
	Trust       string // policy document
	Grants
	Boundary
	Tags       Tags
	MaxSession int64 // seconds
}

// Alias finds a role whatever the case of the name.
func (r *Role) Alias() string { return strings.ToLower(r.Key.Name) }
func (*Role) Schema() int     { return 1 }

// ARN is the role's, its path included.
func (r *Role) ARN() string { return iamARN(r.Key.Account, "role", r.Path, r.Key.Name) }

// CallerKind is a sort of caller.
type CallerKind string

// The sorts of callers; the zero value may do nothing.
const (
	CallerRoot    CallerKind = "root"
	CallerUser    CallerKind = "user"
	CallerSession CallerKind = "assumed-role"
)

// Caller is who sent a request, after the signature was checked.
type Caller struct {
	Account string
	Region  string
	ARN     string
	UserID  string
	Kind    CallerKind
	Name    string // of the user, or of the role behind the session
	KeyID   string // the access key
	Scoped  bool   // a session with policies of its own
}

// Scope is where the caller's resources live.
func (c Caller) Scope() Scope { return Scope{Account: c.Account, Region: c.Region} }

// Key makes the key of a resource of the caller's.
func (c Caller) Key(k Kind, name string) Key { return Key{Scope: c.Scope(), Kind: k, Name: name} }
