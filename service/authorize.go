package service

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"slipway/domain"
	"slipway/fault"
	"slipway/iam"
	"slipway/store"
)

// Check is a permission that a request needs.
type Check struct {
	Action    string   // "appstream:DeleteImage"
	Resources []string // ARNs; "*" for actions that are not about one resource
	// Keys are condition keys of this check alone, beside those of the request.
	Keys map[string][]string
}

// Authorize refuses (fault.Denied, in AWS's words) what the caller's policies
// do not allow. Every check must hold for each of its resources; the first one
// that does not is told. The root of an account may do everything in it.
func (s *Service) Authorize(ctx context.Context, c domain.Caller, keys map[string][]string, checks ...Check) error {
	if c.Kind == domain.CallerRoot {
		return nil
	}
	return s.Store.View(ctx, func(tx store.Tx) error {
		p, err := s.powers(tx, c)
		if err != nil {
			return err
		}
		for _, check := range checks {
			for _, r := range check.Resources {
				d, err := p.decide(tx, check, r, keys)
				if err != nil {
					return err
				}
				if !d.allowed {
					return fault.New(fault.Denied, "User: %s is not authorized to perform: %s on resource: %s %s", c.ARN, check.Action, r, d.why)
				}
			}
		}
		return nil
	})
}

// powers is what a caller may do, as it was read in one transaction.
type powers struct {
	caller   domain.Caller
	granted  granted
	session  []*iam.Policy // limits of the session, where scoped
	scoped   bool
	facts    map[string][]string // condition keys about the caller
	asks     bool                // some policy has a condition
	asksTags bool                // some policy wants the tags of resources
}

// verdict is the answer to one check on one resource.
type verdict struct {
	allowed bool
	denied  bool // a statement says no, rather than none saying yes
	why     string
}

func (s *Service) powers(tx store.Tx, c domain.Caller) (*powers, error) {
	p := &powers{caller: c, scoped: c.Scoped, facts: map[string][]string{
		"aws:PrincipalAccount": {c.Account}, "aws:userid": {c.UserID}, "aws:PrincipalArn": {c.ARN},
		"aws:PrincipalIsAWSService": {"false"}, "aws:ViaAWSService": {"false"},
	}}
	h := Holder{Kind: domain.KindUser, Name: c.Name}
	switch c.Kind {
	case domain.CallerUser:
		p.facts["aws:username"] = []string{c.Name}
		p.facts["aws:PrincipalType"] = []string{"User"}
	case domain.CallerSession:
		h.Kind = domain.KindRole
		p.facts["aws:PrincipalType"] = []string{"AssumedRole"}
	default:
		return p, nil
	}
	e, err := getEntity(tx, c.Account, h)
	if fault.Is(err, fault.NotFound) {
		return p, nil
	} else if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(c.UserID, ":")
	if r, ok := e.(*domain.Role); ok {
		if r.ID != id {
			return p, nil // the role behind the session is gone, this is a later one
		}
		p.facts["aws:PrincipalArn"] = []string{r.ARN()}
	}
	for k, v := range *e.TagSet() {
		p.facts["aws:PrincipalTag/"+k] = []string{v}
	}
	if p.granted, err = s.grantedTo(tx, e); err != nil {
		return nil, err
	}
	if c.Scoped {
		k := new(domain.SessionKey)
		if err := tx.Get(domain.Key{Kind: domain.KindSessionKey, Name: c.KeyID}, k); err != nil {
			return nil, err
		}
		if p.session, err = s.parse(k.Policies); err != nil {
			return nil, err
		}
	}
	for _, all := range [][]*iam.Policy{p.granted.all(), p.session} {
		for _, one := range all {
			p.asks = p.asks || one.Asks("")
			p.asksTags = p.asksTags || one.Asks("aws:resourcetag/", "ec2:resourcetag/", "iam:resourcetag/")
		}
	}
	return p, nil
}

func (s *Service) parse(docs []string) ([]*iam.Policy, error) {
	var out []*iam.Policy
	for _, d := range docs {
		p, err := s.policies.identity(d)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// decide answers one check on one resource.
func (p *powers) decide(tx store.Tx, check Check, resource string, keys map[string][]string) (verdict, error) {
	arn, tags, err := p.look(tx, resource)
	if err != nil {
		return verdict{}, err
	}
	var have map[string][]string
	if p.asks {
		have = p.context(tx.Now(), keys, tags, check.Keys)
	}
	r := iam.Request{Principal: iam.Principal{AWS: p.caller.ARN}, Action: check.Action, Resource: arn, Context: have}
	d, limited := p.granted.decide(iam.Evaluate, r)
	if !d.Allowed() {
		sort := "identity-based"
		if limited {
			sort = "permissions boundary"
		}
		return refused(d, check.Action, sort), nil
	}
	if p.scoped {
		if d := iam.Evaluate(p.session, r); !d.Allowed() {
			return refused(d, check.Action, "session"), nil
		}
	}
	return verdict{allowed: true}, nil
}

// refused says which sort of policy does not allow something, as AWS does.
func refused(d iam.Decision, action, sort string) verdict {
	why := d.Why(action)
	switch sort {
	case "session":
		why = strings.NewReplacer("no identity-based policy", "no session policy", "an identity-based policy", "a session policy").Replace(why)
	case "permissions boundary":
		why = strings.NewReplacer("no identity-based policy", "no permissions boundary", "an identity-based policy", "a permissions boundary").Replace(why)
	}
	return verdict{denied: d.Effect == iam.ExplicitDeny, why: why}
}

// context puts the condition keys of a check together; later ones win.
func (p *powers) context(now time.Time, more ...map[string][]string) map[string][]string {
	have := map[string][]string{
		"aws:CurrentTime": {now.Format(time.RFC3339)}, "aws:EpochTime": {strconv.FormatInt(now.Unix(), 10)},
	}
	maps.Copy(have, p.facts)
	for _, m := range more {
		maps.Copy(have, m)
	}
	return have
}

// look gives a resource the one ARN that policies know it by (something in IAM
// has a path that requests do not name; an AMI's ARN may be sent with an account
// in it), and reads its tags where a policy asks for them.
func (p *powers) look(tx store.Tx, resource string) (string, map[string][]string, error) {
	if kind, key, ok := domain.TagTarget(p.caller.Account, resource); ok {
		resource = kind.ARN(key)
		if key.Kind == domain.KindAMI || key.Kind == domain.KindSnapshot { // policies leave their account out
			resource = domain.ARN(kind.Service, key.Region, "", kind.Type+"/"+key.Name)
		}
	}
	n := resourceOf(p.caller, resource)
	if n == nil {
		return resource, nil, nil
	}
	_, pathed := n.(interface{ ARN() string })
	if !p.asksTags && !pathed {
		return resource, nil, nil
	}
	err := tx.Get(n.Head().Key, n)
	if fault.Is(err, fault.NotFound) {
		return resource, nil, nil
	} else if err != nil {
		return "", nil, err
	}
	if named, ok := n.(interface{ ARN() string }); ok {
		resource = named.ARN()
	}
	service := strings.SplitN(resource, ":", 4)[2]
	tags := map[string][]string{}
	if b, ok := n.(domain.Bounded); ok && *b.Limit() != "" {
		tags["iam:PermissionsBoundary"] = []string{*b.Limit()}
	}
	for k, v := range *n.TagSet() {
		tags["aws:ResourceTag/"+k] = []string{v}
		if service != "appstream" {
			tags[service+":ResourceTag/"+k] = []string{v}
		}
	}
	return resource, tags, nil
}

// resourceOf is an empty resource with the key that an ARN stands for; nil when
// the ARN names nothing of the caller's account: nothing of another one's is
// told, not even by a refusal.
func resourceOf(c domain.Caller, arn string) domain.Tagged {
	if strings.ContainsAny(arn, "*?") {
		return nil
	}
	var n domain.Tagged
	if kind, key, ok := domain.TagTarget(c.Account, arn); ok {
		n = kind.New()
		n.Head().Key = key
		return n
	}
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[2] != "iam" || part[4] != c.Account {
		return nil
	}
	sort, name, _ := strings.Cut(part[5], "/")
	switch sort {
	case "user":
		n = new(domain.User)
	case "role":
		n = new(domain.Role)
	case "group":
		n = new(domain.Group)
	case "policy":
		n = new(domain.Policy)
	default:
		return nil
	}
	n.Head().Key = iamKey(c.Account, domain.Kind(sort), name[strings.LastIndexByte(name, '/')+1:])
	return n
}
