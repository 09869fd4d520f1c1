package domain

import (
	"strings"
	"time"
)

// Policy is a managed policy. Key.Region is empty, Key.Name its name.
type Policy struct {
	Meta `json:"-"`

	ID          string // ANPA…
	Path        string
	Description string
	Default     string // the id of the version that counts
	Last        int    // the number of the newest version ever made
	Versions    []PolicyVersion
	Tags        Tags
}

// PolicyVersion is one document of a managed policy. It never changes.
type PolicyVersion struct {
	ID       string // v1, v2, …
	Document string
	Created  time.Time
}

// Alias finds a policy whatever the case of the name.
func (p *Policy) Alias() string { return strings.ToLower(p.Key.Name) }
func (*Policy) Schema() int     { return 1 }

// ARN is the policy's, its path included.
func (p *Policy) ARN() string { return iamARN(p.Key.Account, "policy", p.Path, p.Key.Name) }

// Version finds a version; nil when there is none of that id.
func (p *Policy) Version(id string) *PolicyVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// Document is the text of the version that counts.
func (p *Policy) Document() string {
	if v := p.Version(p.Default); v != nil {
		return v.Document
	}
	return ""
}
