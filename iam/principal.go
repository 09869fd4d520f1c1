package iam

import (
	"strings"
)

// Principal is who makes a request. Exactly one of AWS and Service is set.
type Principal struct {
	AWS string // ARN of the account root, user, role or assumed-role session
	// Role is the ARN of the role behind an assumed-role session: policies name
	// the role, and a session's ARN does not have the role's path.
	Role    string
	Service string // "appstream.amazonaws.com"
	// ByName leaves out principals that name the account as a whole: what they
	// grant, the account's own policies have to grant as well.
	ByName bool
}

func (p Principal) account() string {
	if parts := strings.SplitN(p.AWS, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// principals is a Principal or NotPrincipal element.
type principals struct {
	not      bool
	anyone   bool // a bare "*": services too
	anyAWS   bool // {"AWS": "*"}
	accounts []string
	arns     []string
	services []string
}

func readPrincipals(f field) (*principals, error) {
	p := &principals{not: f.name == "NotPrincipal"}
	if f.value == "*" {
		p.anyone = true
		return p, nil
	}
	o, ok := f.value.(object)
	if !ok || len(o) == 0 {
		return nil, sentence("%s must be \"*\" or an object", f.name)
	}
	for _, kind := range o {
		list, err := texts(field{f.name + "." + kind.name, kind.value})
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			if err := p.add(kind.name, v); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *principals) add(kind, v string) error {
	switch kind {
	case "AWS":
		root, isRoot := strings.CutSuffix(v, ":root")
		parts := strings.Split(root, ":")
		switch {
		case v == "*":
			p.anyAWS = true
		case isAccount(v):
			p.accounts = append(p.accounts, v)
		case strings.ContainsAny(v, "*?") || !isARN(v):
			return sentence("the principal '%s' is neither an account, nor an ARN without wildcards, nor \"*\"", clip(v))
		case isRoot && len(parts) == 5 && isAccount(parts[4]):
			// The root of an account stands for all of the account.
			p.accounts = append(p.accounts, parts[4])
		default:
			p.arns = append(p.arns, v)
		}
	case "Service":
		if strings.ContainsAny(v, "*? ") || !strings.Contains(v, ".") {
			return sentence("'%s' is not the name of a service", clip(v))
		}
		p.services = append(p.services, v)
	default:
		return sentence("principals of kind '%s' are not supported", clip(kind))
	}
	return nil
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

// matches tells whether the element is about who.
func (p *principals) matches(who Principal) bool {
	return p.listed(who) != p.not
}

func (p *principals) listed(who Principal) bool {
	if p.anyone {
		return true
	}
	if who.Service != "" && who.AWS == "" {
		return anyOf(p.services, who.Service, func(a, b string) bool { return a == b })
	}
	equal := func(a, b string) bool { return b != "" && a == b }
	return who.AWS != "" && (p.anyAWS || !who.ByName && anyOf(p.accounts, who.account(), equal) ||
		anyOf(p.arns, who.AWS, equal) || anyOf(p.arns, who.Role, equal))
}
