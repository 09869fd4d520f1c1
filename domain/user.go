package domain

import "strings"

// User is an IAM user. Key.Region is empty.
type User struct {
	Meta `json:"-"`

	ID   string // AIDA…
	Path string
	Grants
	Boundary
	Groups []string // names, sorted
	Tags   Tags
}

// Alias finds a user whatever the case of the name: IAM's names differ by more
// than case.
func (u *User) Alias() string { return strings.ToLower(u.Key.Name) }
func (*User) Schema() int     { return 1 }

// ARN is the user's, its path included.
func (u *User) ARN() string { return iamARN(u.Key.Account, "user", u.Path, u.Key.Name) }

// Grants are the policies of a user, role or group.
type Grants struct {
	Inline   map[string]string // policy name → document
	Attached []string          // ARNs of managed policies, sorted
}

// Granted gives access to the policies.
func (g *Grants) Granted() *Grants { return g }

// Boundary limits a user or role to what a managed policy allows too.
type Boundary struct {
	BoundaryARN string // "" for none
}

// Limit gives access to the boundary.
func (b *Boundary) Limit() *string { return &b.BoundaryARN }

// Bounded is what may have a boundary.
type Bounded interface{ Limit() *string }

// iamARN is the ARN of something in IAM that has a path.
func iamARN(account, sort, path, name string) string {
	if path == "" {
		path = "/"
	}
	return ARN("iam", "", account, sort+path+name)
}

// Quotas of IAM that nobody can raise here (IAM user guide, "IAM and AWS STS
// quotas"; the defaults).
const (
	UsersPerAccount       = 5000
	RolesPerAccount       = 1000
	PoliciesPerAccount    = 1500
	KeysPerUser           = 2
	GroupsPerAccount      = 300
	GroupsPerUser         = 10
	AttachedPerEntity     = 10
	VersionsPerPolicy     = 5
	ManagedPolicyChars    = 6144  // of one version, white space not counted
	TrustPolicyChars      = 2048  // of a role
	RoleInlineChars       = 10240 // of all inline policies of a role together
	UserInlineChars       = 2048  // of all inline policies of a user together
	GroupInlineChars      = 5120  // of all inline policies of a group together
	SessionPolicyChars    = 2048  // of a session's policy
	SessionPoliciesNumber = 10    // managed policies of a session
	TagsPerEntity         = 50
)

// PolicyChars counts a policy as its quota does: without white space.
func PolicyChars(document string) int {
	n := 0
	for _, r := range document {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			n++
		}
	}
	return n
}
