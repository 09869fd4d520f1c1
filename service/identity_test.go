package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/store"
)

var theRoot = domain.Caller{Account: "123456789012", Region: "us-east-1", Kind: domain.CallerRoot, ARN: "arn:aws:iam::123456789012:root", UserID: "123456789012"}

// user makes a user with one inline policy ("" for none) and a key of it.
func (h *house) user(name, policy string) domain.Caller {
	h.t.Helper()
	ctx := context.Background()
	u := domain.User{}
	u.Key.Name = name
	if _, err := h.CreateUser(ctx, theRoot, u); err != nil {
		h.t.Fatal(err)
	}
	if policy != "" {
		if err := h.PutInline(ctx, theRoot, service.Holder{Kind: domain.KindUser, Name: name}, "p", policy); err != nil {
			h.t.Fatal(err)
		}
	}
	k, err := h.CreateAccessKey(ctx, theRoot, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.as(k.Key.Name)
}

// as is who an access key stands for.
func (h *house) as(key string) domain.Caller {
	h.t.Helper()
	c, err := h.Credential(context.Background(), key)
	if err != nil {
		h.t.Fatal(err)
	}
	c.Caller.Region = "us-east-1"
	return c.Caller
}

func statement(effect, action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":%q%s}`, effect, action, resource, condition)
}

func policy(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func TestAuthorize(t *testing.T) {
	const fleet = "arn:aws:appstream:us-east-1:123456789012:fleet/"
	const image = "arn:aws:appstream:us-east-1:123456789012:image/"
	h := newHouse(t, rules.AWS)
	img, err := h.importing(func(in *service.Import) { in.Name = "red"; in.Tags = domain.Tags{"team": "red"} })
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		name, policy string
		check        service.Check
		keys         map[string][]string
		why          string // "" is allowed
	}{
		{"no policy", "", service.Check{Action: "appstream:DescribeFleets", Resources: []string{fleet + "*"}}, nil,
			"on resource: " + fleet + "* because no identity-based policy allows the appstream:DescribeFleets action"},
		{"allowed", policy(statement("Allow", "appstream:Describe*", "*", "")), service.Check{Action: "appstream:DescribeFleets", Resources: []string{fleet + "*"}}, nil, ""},
		{"one of two resources", policy(statement("Allow", "appstream:DescribeFleets", fleet+"a", "")),
			service.Check{Action: "appstream:DescribeFleets", Resources: []string{fleet + "a", fleet + "b"}}, nil, "on resource: " + fleet + "b because"},
		{"deny wins", policy(statement("Allow", "*", "*", ""), statement("Deny", "appstream:DeleteFleet", "*", "")),
			service.Check{Action: "appstream:DeleteFleet", Resources: []string{fleet + "a"}}, nil, "with an explicit deny in an identity-based policy"},
		{"request tag", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:RequestTag/team":"red"}}`)),
			service.Check{Action: "appstream:CreateImportedImage", Resources: []string{"*"}, Keys: map[string][]string{"aws:RequestTag/team": {"red"}}}, nil, ""},
		{"wrong request tag", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:RequestTag/team":"red"}}`)),
			service.Check{Action: "appstream:CreateImportedImage", Resources: []string{"*"}}, nil, "because no"},
		{"resource tag", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:ResourceTag/team":"red"}}`)),
			service.Check{Action: "appstream:DeleteImage", Resources: []string{domain.ImageARN(img.Key)}}, nil, ""},
		{"wrong resource tag", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`)),
			service.Check{Action: "appstream:DeleteImage", Resources: []string{domain.ImageARN(img.Key)}}, nil, "because no"},
		{"tag of what is not there", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:ResourceTag/team":"red"}}`)),
			service.Check{Action: "appstream:DeleteImage", Resources: []string{image + "none"}}, nil, "because no"},
		{"address", policy(statement("Allow", "*", "*", `{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`)),
			service.Check{Action: "appstream:DescribeImages", Resources: []string{image + "*"}}, map[string][]string{"aws:SourceIp": {"10.1.2.3"}}, ""},
		{"name", policy(statement("Allow", "*", "*", `{"StringEquals":{"aws:username":"u10","aws:PrincipalAccount":"123456789012"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/u10"}}`)),
			service.Check{Action: "appstream:DescribeImages", Resources: []string{image + "*"}}, nil, ""},
		{"time", policy(statement("Allow", "*", "*", `{"DateLessThan":{"aws:CurrentTime":"2001-01-01T00:00:00Z"}}`)),
			service.Check{Action: "appstream:DescribeImages", Resources: []string{image + "*"}}, nil, "because no"},
		{"pass role by its path", policy(statement("Allow", "iam:PassRole", "arn:aws:iam::123456789012:role/import", `{"StringEquals":{"iam:PassedToService":"appstream.amazonaws.com"}}`)),
			service.Check{Action: "iam:PassRole", Resources: []string{roleARN}, Keys: map[string][]string{"iam:PassedToService": {"appstream.amazonaws.com"}}}, nil, ""},
		{"an account in the ARN of an AMI is no way around a denial", policy(statement("Allow", "*", "*", ""), statement("Deny", "*", "arn:aws:ec2:us-east-1::image/ami-1", "")),
			service.Check{Action: "ec2:CreateTags", Resources: []string{"arn:aws:ec2:us-east-1:123456789012:image/ami-1"}}, nil, "with an explicit deny in an identity-based policy"},
	} {
		who := h.user(fmt.Sprintf("u%d", i), c.policy)
		err := h.Authorize(context.Background(), who, c.keys, c.check)
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%s: %s", c.name, fault.Public(err))
		case c.why != "" && (!fault.Is(err, fault.Denied) || !strings.Contains(fault.Public(err), c.why) ||
			!strings.HasPrefix(fault.Public(err), "User: "+who.ARN+" is not authorized to perform: "+c.check.Action+" on resource: ")):
			t.Errorf("%s: %v %s", c.name, fault.KindOf(err), fault.Public(err))
		}
	}
	if err := h.Authorize(context.Background(), theRoot, nil, service.Check{Action: "x:Y", Resources: []string{"*"}}); err != nil {
		t.Errorf("root: %v", err)
	}
	if err := h.Authorize(context.Background(), domain.Caller{Account: "123456789012"}, nil, service.Check{Action: "x:Y", Resources: []string{"*"}}); !fault.Is(err, fault.Denied) {
		t.Errorf("a caller of no kind: %v", err)
	}
}

func TestManagedPolicies(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	who := h.user("ann", "")
	ann := service.Holder{Kind: domain.KindUser, Name: "ann"}
	see := service.Check{Action: "appstream:DescribeImages", Resources: []string{"*"}}
	p := domain.Policy{}
	p.Key.Name = "see"
	made, err := h.CreatePolicy(ctx, theRoot, p, policy(statement("Allow", "appstream:Describe*", "*", "")))
	if err != nil {
		t.Fatal(err)
	}
	arn := made.ARN()
	for _, step := range []struct {
		name string
		do   func() error
		kind fault.Kind // Internal: none
		sees bool
	}{
		{"attach", func() error { return h.Attach(ctx, theRoot, ann, arn) }, 0, true},
		{"attach again", func() error { return h.Attach(ctx, theRoot, ann, arn) }, 0, true},
		{"delete while attached", func() error { return h.DeletePolicy(ctx, theRoot, arn) }, fault.InUse, true},
		{"delete the user", func() error { return h.DeleteUser(ctx, theRoot, "ann") }, fault.InUse, true},
		{"a version that does not count", func() error {
			_, err := h.CreatePolicyVersion(ctx, theRoot, arn, policy(statement("Deny", "*", "*", "")), false)
			return err
		}, 0, true},
		{"now it counts", func() error { return h.SetDefaultVersion(ctx, theRoot, arn, "v2") }, 0, false},
		{"delete the default", func() error { return h.DeletePolicyVersion(ctx, theRoot, arn, "v2") }, fault.InUse, false},
		{"back", func() error { return h.SetDefaultVersion(ctx, theRoot, arn, "v1") }, 0, true},
		{"detach", func() error { return h.Detach(ctx, theRoot, ann, arn) }, 0, false},
		{"detach again", func() error { return h.Detach(ctx, theRoot, ann, arn) }, fault.NotFound, false},
		{"delete with versions", func() error { return h.DeletePolicy(ctx, theRoot, arn) }, fault.InUse, false},
		{"delete a version", func() error { return h.DeletePolicyVersion(ctx, theRoot, arn, "v2") }, 0, false},
		{"delete", func() error { return h.DeletePolicy(ctx, theRoot, arn) }, 0, false},
		{"attach what is gone", func() error { return h.Attach(ctx, theRoot, ann, arn) }, fault.NotFound, false},
		{"AWS's own", func() error {
			return h.Attach(ctx, theRoot, ann, "arn:aws:iam::aws:policy/AmazonAppStreamReadOnlyAccess")
		}, 0, true},
		{"AWS's own of a path", func() error {
			return h.Attach(ctx, theRoot, ann, "arn:aws:iam::aws:policy/service-role/AmazonAppStreamServiceAccess")
		}, 0, true},
		{"AWS's own without its path", func() error {
			return h.Attach(ctx, theRoot, ann, "arn:aws:iam::aws:policy/AmazonAppStreamServiceAccess")
		}, fault.NotFound, true},
		{"delete AWS's own", func() error {
			return h.DeletePolicy(ctx, theRoot, "arn:aws:iam::aws:policy/AmazonAppStreamReadOnlyAccess")
		}, fault.Denied, true},
	} {
		err := step.do()
		if (err == nil) != (step.kind == 0) || err != nil && fault.KindOf(err) != step.kind {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := h.Authorize(ctx, who, nil, see) == nil; got != step.sees {
			t.Errorf("%s: sees %v", step.name, got)
		}
	}
}

func TestIdentityRefusals(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	h.user("ann", policy(statement("Allow", "ec2:*", "*", "")))
	ann := service.Holder{Kind: domain.KindUser, Name: "ann"}
	big := func(n int) string { return policy(statement("Allow", "ec2:"+strings.Repeat("x", n), "*", "")) }
	named := func(n string) (u domain.User) { u.Key.Name = n; return u }
	other := domain.Caller{Account: "999999999999", Kind: domain.CallerRoot}
	for _, c := range []struct {
		name string
		kind fault.Kind
		text string
		do   func() error
	}{
		{"same name in other case", fault.Exists, "User with name ANN already exists.", func() error { _, err := h.CreateUser(ctx, theRoot, named("ANN")); return err }},
		{"delete with keys", fault.InUse, "must delete access keys first", func() error { return h.DeleteUser(ctx, theRoot, "ann") }},
		{"delete a role with policies", fault.InUse, "must delete policies first", func() error { return h.DeleteRole(ctx, theRoot, "import") }},
		{"unknown user", fault.NotFound, "The user with name bob cannot be found.", func() error { _, err := h.User(ctx, theRoot, "bob"); return err }},
		{"another account's user", fault.NotFound, "The user with name ann cannot be found.", func() error { _, err := h.User(ctx, other, "ann"); return err }},
		{"key of nobody", fault.NotFound, "The user with name bob", func() error { _, err := h.CreateAccessKey(ctx, theRoot, "bob"); return err }},
		{"third key", fault.Quota, "AccessKeysPerUser: 2", func() error {
			h.CreateAccessKey(ctx, theRoot, "ann")
			_, err := h.CreateAccessKey(ctx, theRoot, "ann")
			return err
		}},
		{"inline too long", fault.Quota, "Maximum policy size of 2048 bytes exceeded for user ann", func() error { return h.PutInline(ctx, theRoot, ann, "q", big(2048)) }},
		{"managed too long", fault.Quota, "PolicySize: 6144", func() error { _, err := h.CreatePolicy(ctx, theRoot, domain.Policy{}, big(6144)); return err }},
		{"no policy", fault.BadValue, "malformed", func() error { return h.PutInline(ctx, theRoot, ann, "q", "{") }},
		{"no trust policy", fault.BadValue, "malformed", func() error { return h.SetTrust(ctx, theRoot, "import", goodPolicy) }},
		{"no such inline policy", fault.NotFound, "The user policy with name q cannot be found.", func() error { return h.DeleteInline(ctx, theRoot, ann, "q") }},
	} {
		if err := c.do(); fault.KindOf(err) != c.kind || !strings.Contains(fault.Public(err), c.text) {
			t.Errorf("%s: %v: %v", c.name, fault.KindOf(err), err)
		}
	}
}

func TestAssumeRole(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	ann := h.user("ann", "")
	bob := h.user("bob", policy(statement("Allow", "sts:AssumeRole", "*", "")))
	eve := h.user("eve", policy(statement("Deny", "sts:AssumeRole", "*", "")))
	trust := func(principal, condition string) string {
		if condition != "" {
			condition = `,"Condition":` + condition
		}
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":` + principal + `},"Action":"sts:AssumeRole"` + condition + `}]}`
	}
	h.role("account", trust(`"123456789012"`, ""), policy(statement("Allow", "appstream:Describe*", "*", "")))
	h.role("named", trust(`["`+ann.ARN+`","`+eve.ARN+`"]`, ""), "")
	h.role("external", trust(`"123456789012"`, `{"StringEquals":{"sts:ExternalId":"secret"}}`), "")
	arn := func(n string) string { return "arn:aws:iam::123456789012:role/" + n }
	for _, c := range []struct {
		name string
		who  domain.Caller
		in   service.Assume
		kind fault.Kind
		ok   bool
	}{
		{"root", theRoot, service.Assume{RoleARN: arn("account")}, fault.Denied, false},
		{"trust in the account, own policy", bob, service.Assume{RoleARN: arn("account")}, 0, true},
		{"trust in the account, no own policy", ann, service.Assume{RoleARN: arn("account")}, fault.Denied, false},
		{"trust by name, no own policy", ann, service.Assume{RoleARN: arn("named")}, 0, true},
		{"trust by name, own denial", eve, service.Assume{RoleARN: arn("named")}, fault.Denied, false},
		{"not trusted", bob, service.Assume{RoleARN: arn("named")}, fault.Denied, false},
		{"not there", bob, service.Assume{RoleARN: arn("none")}, fault.Denied, false},
		{"external id", bob, service.Assume{RoleARN: arn("external"), ExternalID: "secret"}, 0, true},
		{"no external id", bob, service.Assume{RoleARN: arn("external")}, fault.Denied, false},
		{"too long", bob, service.Assume{RoleARN: arn("account"), Seconds: 7200}, fault.BadValue, false},
		{"bad session policy", bob, service.Assume{RoleARN: arn("account"), Policy: "{"}, fault.BadValue, false},
		{"no such session policy", bob, service.Assume{RoleARN: arn("account"), PolicyARNs: []string{"arn:aws:iam::123456789012:policy/none"}}, fault.BadValue, false},
	} {
		c.in.Session = "s1"
		if _, err := h.AssumeRole(ctx, c.who, nil, c.in); (err == nil) != c.ok || err != nil && fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSessions(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	bob := h.user("bob", policy(statement("Allow", "sts:AssumeRole", "*", "")))
	h.role("seer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`,
		policy(statement("Allow", "appstream:*", "*", "")))
	arn := "arn:aws:iam::123456789012:role/seer"
	full, err := h.AssumeRole(ctx, bob, nil, service.Assume{RoleARN: arn, Session: "full"})
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := h.AssumeRole(ctx, bob, nil, service.Assume{RoleARN: arn, Session: "narrow", Policy: policy(statement("Allow", "appstream:Describe*", "*", ""))})
	if err != nil {
		t.Fatal(err)
	}
	see := service.Check{Action: "appstream:DescribeImages", Resources: []string{"*"}}
	del := service.Check{Action: "appstream:DeleteImage", Resources: []string{"*"}}
	wholly, narrowly := h.as(full.Key.Name), h.as(narrow.Key.Name)
	if wholly.ARN != "arn:aws:sts::123456789012:assumed-role/seer/full" || !strings.HasPrefix(wholly.UserID, "AROA") || !strings.HasSuffix(wholly.UserID, ":full") {
		t.Errorf("who: %+v", wholly)
	}
	if err := h.Authorize(ctx, wholly, nil, see, del); err != nil {
		t.Error(err)
	}
	if err := h.Authorize(ctx, narrowly, nil, see); err != nil {
		t.Error(err)
	}
	if err := h.Authorize(ctx, narrowly, nil, del); !fault.Is(err, fault.Denied) || !strings.Contains(fault.Public(err), "because no session policy allows the appstream:DeleteImage action") {
		t.Error(err)
	}
	// The role is replaced by another one of its name: the session is worth nothing.
	for _, err := range []error{h.DeleteInline(ctx, theRoot, service.Holder{Kind: domain.KindRole, Name: "seer"}, "p"), h.DeleteRole(ctx, theRoot, "seer")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.role("seer", goodTrust, policy(statement("Allow", "*", "*", "")))
	if err := h.Authorize(ctx, wholly, nil, see); !fault.Is(err, fault.Denied) {
		t.Errorf("session of a deleted role: %v", err)
	}
	h.expire(full.Key.Name)
	if _, err := h.Credential(ctx, full.Key.Name); !fault.Is(err, fault.Denied) || codeOf(err) != service.CodeExpired {
		t.Errorf("expired: %v", err)
	}
}

// expire puts the end of a session two hours into the past.
func (h *house) expire(id string) {
	h.t.Helper()
	err := h.Store.Update(context.Background(), func(tx store.Tx) error {
		k := new(domain.SessionKey)
		if err := tx.Get(domain.Key{Kind: domain.KindSessionKey, Name: id}, k); err != nil {
			return err
		}
		k.Expires = tx.Now().Add(-2 * time.Hour)
		return tx.Put(k)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestKeysOfAccounts(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	h.Config.Operator = "111111111111"
	_, first, err := h.CreateAccount(ctx, "111111111111", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.CreateAccount(ctx, "111111111111", ""); !fault.Is(err, fault.Exists) {
		t.Errorf("twice: %v", err)
	}
	if _, _, err := h.CreateAccount(ctx, "12", ""); !fault.Is(err, fault.BadValue) {
		t.Errorf("bad id: %v", err)
	}
	if a, _, err := h.CreateAccount(ctx, "", "chosen"); err != nil || len(a.Key.Name) != 12 {
		t.Errorf("no id: %v %v", a, err)
	}
	if _, err := h.DisableKey(ctx, first.Key.Name); !fault.Is(err, fault.WrongState) {
		t.Errorf("the operator's last key: %v", err)
	}
	second, err := h.RotateKey(ctx, first.Key.Name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Credential(ctx, first.Key.Name); !fault.Is(err, fault.Denied) {
		t.Errorf("rotated key: %v", err)
	}
	if c, err := h.Credential(ctx, second.Key.Name); err != nil || c.Caller.Kind != domain.CallerRoot || c.Caller.Account != "111111111111" {
		t.Errorf("new key: %+v %v", c, err)
	}
	if _, err := h.RotateKey(ctx, second.Key.Name); err != nil {
		t.Errorf("rotating again takes the place of the disabled key: %v", err)
	}
	if _, err := h.Credential(ctx, "AKIAAAAAAAAAAAAAAAAA"); !fault.Is(err, fault.Denied) {
		t.Errorf("unknown: %v", err)
	}
}

func codeOf(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}
