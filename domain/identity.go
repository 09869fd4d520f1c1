package domain

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

// Alias finds the keys of an account.
func (k *AccessKey) Alias() string { return k.Account }
func (*AccessKey) Schema() int     { return 1 }

// Role is an IAM role. Key.Region is empty.
type Role struct {
	Meta `json:"-"`

	ID          string // AROA…
	Path        string
	Description string
	Trust       string            // policy document
	Inline      map[string]string // policy name → document
	Tags        Tags
	MaxSession  int64 // seconds
}

func (*Role) Alias() string { return "" }
func (*Role) Schema() int   { return 1 }

// Caller is who sent a request, after the signature was checked.
type Caller struct {
	Account string
	Region  string
	ARN     string
	UserID  string
}

// Scope is where the caller's resources live.
func (c Caller) Scope() Scope { return Scope{Account: c.Account, Region: c.Region} }

// Key makes the key of a resource of the caller's.
func (c Caller) Key(k Kind, name string) Key { return Key{Scope: c.Scope(), Kind: k, Name: name} }
