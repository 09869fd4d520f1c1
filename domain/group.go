package domain

import "strings"

// Group is an IAM group: policies that several users have. Key.Region is empty.
// Who belongs to it, users say themselves.
type Group struct {
	Meta `json:"-"`

	ID   string // AGPA…
	Path string
	Grants
}

// Alias finds a group whatever the case of the name.
func (g *Group) Alias() string { return strings.ToLower(g.Key.Name) }
func (*Group) Schema() int     { return 1 }

// ARN is the group's, its path included.
func (g *Group) ARN() string { return iamARN(g.Key.Account, "group", g.Path, g.Key.Name) }

// TagSet is empty: IAM's groups cannot be tagged.
func (*Group) TagSet() *Tags { return new(Tags) }
