package iam

import (
	"strings"

	"slipway/fault"
)

// Limits of a document. IAM's own quotas are lower (10,240 characters for a
// role's inline policies together) and are checked where roles are.
const (
	maxDocument   = 64 << 10
	maxStatements = 256
	maxValues     = 2048 // in one list
)

// Policy is a document that was understood completely. It is immutable.
type Policy struct {
	Version    string // "2012-10-17", or "2008-10-17" when the document has none
	ID         string
	statements []statement
}

type statement struct {
	sid          string
	deny         bool
	actions      []string // lower case
	notActions   bool
	resources    []text // nil: the statement is about the thing it is attached to
	notResources bool
	principals   *principals // nil: about whoever it is attached to
	conditions   []condition
}

// Parse reads a policy of any kind. Each statement must say whom or what it is
// about. Errors: fault.BadValue.
func Parse(document []byte) (*Policy, error) {
	root, err := decode(document)
	if err != nil {
		return nil, err
	}
	o, ok := root.(object)
	if !ok {
		return nil, malformed("a policy must be a JSON object")
	}
	p := &Policy{Version: "2008-10-17"}
	var list any
	for _, f := range o {
		switch f.name {
		case "Version":
			v, _ := f.value.(string)
			if v != "2012-10-17" && v != "2008-10-17" {
				return nil, malformed("Version must be 2012-10-17 or 2008-10-17")
			}
			p.Version = v
		case "Id":
			if p.ID, ok = f.value.(string); !ok {
				return nil, malformed("Id must be a string")
			}
		case "Statement":
			list = f.value
		default:
			return nil, malformed("the element '%s' is not known", clip(f.name))
		}
	}
	if list == nil {
		return nil, malformed("Statement is missing")
	}
	if err := p.read(list); err != nil {
		return p, err
	}
	if p.Version != "2012-10-17" {
		p.withoutVariables()
	}
	return p, nil
}

// withoutVariables takes texts as they were written: the older version of the
// language has no variables.
func (p *Policy) withoutVariables() {
	for _, s := range p.statements {
		for i := range s.resources {
			s.resources[i].pieces = nil
		}
		for _, c := range s.conditions {
			for i := range c.values {
				c.values[i].pieces = nil
			}
		}
	}
}

// ParseIdentity reads a policy that is attached to a user or role: it must
// speak of resources and not of principals. Errors: fault.BadValue.
func ParseIdentity(document []byte) (*Policy, error) {
	p, err := Parse(document)
	if err != nil {
		return nil, err
	}
	for i, s := range p.statements {
		if s.principals != nil {
			return nil, malformed("statement %d has a principal, which a policy of a user or role may not have", i+1)
		}
		if s.resources == nil {
			return nil, malformed("statement %d names no resource", i+1)
		}
	}
	return p, nil
}

// ParseTrust reads a role's trust policy: it must speak of principals and not
// of resources. Errors: fault.BadValue.
func ParseTrust(document []byte) (*Policy, error) {
	p, err := Parse(document)
	if err != nil {
		return nil, err
	}
	for i, s := range p.statements {
		if s.principals == nil {
			return nil, malformed("statement %d names no principal", i+1)
		}
		if s.resources != nil {
			return nil, malformed("statement %d has a resource, which a trust policy may not have", i+1)
		}
	}
	return p, nil
}

func (p *Policy) read(list any) error {
	all, many := list.([]any)
	if !many {
		all = []any{list}
	}
	if len(all) == 0 || len(all) > maxStatements {
		return malformed("a policy must have 1 to %d statements", maxStatements)
	}
	sids := map[string]bool{}
	for i, raw := range all {
		o, ok := raw.(object)
		if !ok {
			return malformed("statement %d must be a JSON object", i+1)
		}
		s, err := readStatement(o)
		if err != nil {
			return malformed("statement %d: %s", i+1, err)
		}
		if s.sid != "" && sids[s.sid] {
			return malformed("the Sid '%s' is used twice", clip(s.sid))
		}
		sids[s.sid] = true
		p.statements = append(p.statements, s)
	}
	return nil
}

// readStatement returns plain sentences; read says which statement it was.
func readStatement(o object) (s statement, err error) {
	effect := ""
	for _, f := range o {
		switch f.name {
		case "Sid":
			var ok bool
			if s.sid, ok = f.value.(string); !ok {
				return s, sentence("Sid must be a string")
			}
		case "Effect":
			effect, _ = f.value.(string)
		case "Action", "NotAction":
			if s.actions != nil {
				return s, sentence("Action and NotAction exclude each other")
			}
			s.notActions = f.name == "NotAction"
			s.actions, err = readActions(f)
		case "Resource", "NotResource":
			if s.resources != nil {
				return s, sentence("Resource and NotResource exclude each other")
			}
			s.notResources = f.name == "NotResource"
			s.resources, err = readResources(f)
		case "Principal", "NotPrincipal":
			if s.principals != nil {
				return s, sentence("Principal and NotPrincipal exclude each other")
			}
			s.principals, err = readPrincipals(f)
		case "Condition":
			s.conditions, err = readConditions(f.value)
		default:
			return s, sentence("the element '%s' is not known", clip(f.name))
		}
		if err != nil {
			return s, err
		}
	}
	switch {
	case effect != "Allow" && effect != "Deny":
		return s, sentence("Effect must be Allow or Deny")
	case s.actions == nil:
		return s, sentence("Action or NotAction is missing")
	case s.resources == nil && s.principals == nil:
		return s, sentence("it has neither a resource nor a principal")
	}
	s.deny = effect == "Deny"
	return s, nil
}

func readActions(f field) ([]string, error) {
	list, err := texts(f)
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		service, name, ok := strings.Cut(a, ":")
		wild := a == "*" || a == "*:*"
		if !wild && (!ok || service == "" || name == "" || strings.ContainsAny(service, "*?") || strings.ContainsAny(a, " \t\n")) {
			return nil, sentence("'%s' in %s is not of the form service:action", clip(a), f.name)
		}
		// Actions are not case-sensitive.
		list[i] = strings.ToLower(a)
	}
	return list, nil
}

func readResources(f field) ([]text, error) {
	list, err := strung(f)
	if err != nil {
		return nil, err
	}
	out := make([]text, len(list))
	for i, r := range list {
		if out[i], err = readText(r); err != nil {
			return nil, err
		}
		if r != "*" && !isARN(out[i].sample()) {
			return nil, sentence("the resource '%s' must be an ARN or \"*\"", clip(r))
		}
	}
	return out, nil
}

// texts reads one string or a list of strings, in which variables have no place.
func texts(f field) ([]string, error) {
	list, err := strung(f)
	for _, s := range list {
		if strings.Contains(s, "${") {
			return nil, sentence("%s may not have policy variables", f.name)
		}
	}
	return list, err
}

// strung reads one string or a list of strings.
func strung(f field) ([]string, error) {
	all, many := f.value.([]any)
	if !many {
		all = []any{f.value}
	}
	if len(all) == 0 || len(all) > maxValues {
		return nil, sentence("%s must have 1 to %d values", f.name, maxValues)
	}
	out := make([]string, len(all))
	for i, v := range all {
		text, ok := v.(string)
		if !ok || text == "" {
			return nil, sentence("%s must be a string or a list of strings, none of them empty", f.name)
		}
		out[i] = text
	}
	return out, nil
}

func malformed(format string, args ...any) error {
	return fault.New(fault.BadValue, "The policy document is malformed: %s.", sentence(format, args...)).WithCode("MalformedPolicyDocument")
}
