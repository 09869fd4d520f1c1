package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Request is what somebody wants to do.
type Request struct {
	Principal Principal
	Action    string // "ec2:DescribeImages"
	// Resource is an ARN, or "*" for actions that are not about one resource
	// (only the pattern "*" allows those).
	Resource string
	// Context holds the values of condition keys. Names are not case-sensitive.
	Context map[string][]string
}

// Effect is the outcome of an evaluation.
type Effect uint8

// The outcomes; a denial is the zero value.
const (
	ImplicitDeny Effect = iota // nothing allows it
	ExplicitDeny               // a statement denies it
	Allow                      // a statement allows it and none denies it
)

// Decision is an outcome and the statement it rests on.
type Decision struct {
	Effect    Effect
	Policy    int    // index into the policies given; -1 for ImplicitDeny
	Statement int    // index into that policy's statements; -1 for ImplicitDeny
	Sid       string // of that statement; may be empty
}

// Allowed tells whether the request may go on.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// Why ends the sentence "... is not authorized to perform ... " as AWS ends it
// for policies of users and roles. It is empty for an allowed request.
func (d Decision) Why(action string) string {
	switch d.Effect {
	case Allow:
		return ""
	case ExplicitDeny:
		return "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("because no identity-based policy allows the %s action", action)
}

// Evaluate decides over all policies together: an explicit deny wins over any
// allow, and what nothing allows is denied. The first deciding statement is
// named. A statement with a Principal counts only for that principal.
func Evaluate(policies []*Policy, r Request) Decision {
	return decide(policies, r, statement.onResource)
}

// EvaluateAnywhere is Evaluate for a resource that is not known yet: it allows
// what would be allowed on at least one resource. Only a denial of every
// resource ("*") counts. r.Resource is ignored.
func EvaluateAnywhere(policies []*Policy, r Request) Decision {
	return decide(policies, r, func(s statement, _ string, _ map[string][]string) bool {
		if s.resources == nil {
			return true
		}
		all := slices.ContainsFunc(s.resources, func(t text) bool { return t.plain == "*" })
		if s.deny {
			return all && !s.notResources
		}
		return !(all && s.notResources)
	})
}

func decide(policies []*Policy, r Request, about func(statement, string, map[string][]string) bool) Decision {
	d := Decision{Policy: -1, Statement: -1}
	r.Action = strings.ToLower(r.Action)
	var ctx map[string][]string
	for i, p := range policies {
		for j, s := range p.statements {
			if ctx == nil && s.asks("") { // most policies do not
				ctx = foldContext(r.Context)
			}
			if !s.deny && d.Effect == Allow || !about(s, r.Resource, ctx) || !s.applies(r, ctx) {
				continue
			}
			found := Decision{Allow, i, j, s.sid}
			if s.deny {
				found.Effect = ExplicitDeny
				return found
			}
			d = found
		}
	}
	return d
}

// onResource tells whether a statement is about a resource. Where a variable
// has no value the statement is about nothing, whatever its effect, as AWS says.
func (s statement) onResource(resource string, ctx map[string][]string) bool {
	found := s.resources == nil
	for _, t := range s.resources {
		p, ok := t.pattern(ctx)
		if !ok {
			return false
		}
		found = found || globResource(p, resource)
	}
	return s.resources == nil || found != s.notResources
}

func (s statement) applies(r Request, ctx map[string][]string) bool {
	if anyOf(s.actions, r.Action, glob) == s.notActions {
		return false
	}
	if s.principals != nil && !s.principals.matches(r.Principal) {
		return false
	}
	for _, c := range s.conditions {
		if !c.holds(ctx) {
			return false
		}
	}
	return true
}

func foldContext(ctx map[string][]string) map[string][]string {
	folded := make(map[string][]string, len(ctx))
	for k, v := range ctx {
		folded[strings.ToLower(k)] = v
	}
	return folded
}

// Trusts decides over a role's trust policy alone; r.Resource is not used.
// Errors: fault.BadValue for a document that is not understood.
func Trusts(trust []byte, r Request) (Decision, error) {
	p, err := ParseTrust(trust)
	if err != nil {
		return Decision{Policy: -1, Statement: -1}, err
	}
	return Evaluate([]*Policy{p}, r), nil
}

// TrustAllows tells whether a role's trust policy lets a service do action
// ("sts:AssumeRole"), given no condition keys. Errors: fault.BadValue for a
// document that is not understood.
func TrustAllows(trust []byte, service, action string) (bool, error) {
	d, err := Trusts(trust, Request{Principal: Principal{Service: service}, Action: action})
	return d.Allowed(), err
}

// Asks tells whether some statement has a condition on a key that begins with
// one of the prefixes, given in lower case, or a variable of it: who has to look
// up what they stand for can spare it.
func (p *Policy) Asks(prefixes ...string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool { return slices.ContainsFunc(prefixes, s.asks) })
}

func (s statement) asks(prefix string) bool {
	asks := func(t text) bool { return t.asks(prefix) }
	return slices.ContainsFunc(s.resources, asks) || slices.ContainsFunc(s.conditions, func(c condition) bool {
		return strings.HasPrefix(c.key, prefix) || slices.ContainsFunc(c.values, asks)
	})
}
