package service_test

import (
	"context"
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// may tells why a caller may not do something on everything; "" if they may.
func (h *house) may(c domain.Caller, action string) string {
	h.t.Helper()
	err := h.Authorize(context.Background(), c, nil, service.Check{Action: action, Resources: []string{"*"}})
	if err == nil {
		return ""
	}
	_, why, _ := strings.Cut(fault.Public(err), "on resource: * ")
	return why
}

func (h *house) managed(name, document string) string {
	h.t.Helper()
	p := domain.Policy{}
	p.Key.Name = name
	out, err := h.CreatePolicy(context.Background(), theRoot, p, document)
	if err != nil {
		h.t.Fatal(err)
	}
	return out.ARN()
}

// Users have what their groups have, as long as they are in them.
func TestGroups(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	ann := h.user("ann", "")
	g := domain.Group{}
	g.Key.Name = "staff"
	if _, err := h.CreateGroup(ctx, theRoot, g); err != nil {
		t.Fatal(err)
	}
	staff := service.Holder{Kind: domain.KindGroup, Name: "staff"}
	steps := func(all ...error) {
		t.Helper()
		for i, err := range all {
			if err != nil {
				t.Fatal(i, err)
			}
		}
	}
	attached := h.managed("images", policy(statement("Allow", "appstream:DescribeImages", "*", "")))
	steps(h.PutInline(ctx, theRoot, staff, "p", policy(statement("Allow", "ec2:*", "*", ""), statement("Deny", "ec2:CopyImage", "*", ""))), h.Attach(ctx, theRoot, staff, attached))
	if h.may(ann, "ec2:DescribeImages") == "" {
		t.Error("who is in no group may")
	}
	steps(h.JoinGroup(ctx, theRoot, "staff", "ann"), h.JoinGroup(ctx, theRoot, "staff", "ann"))
	for action, want := range map[string]string{
		"ec2:DescribeImages": "", "appstream:DescribeImages": "",
		"ec2:CopyImage":         "with an explicit deny in an identity-based policy",
		"appstream:DeleteImage": "because no identity-based policy allows the appstream:DeleteImage action",
	} {
		if why := h.may(ann, action); why != want {
			t.Errorf("%s: %q, want %q", action, why, want)
		}
	}
	for what, err := range map[string]error{
		"remove users from group":    h.DeleteGroup(ctx, theRoot, "staff"),
		"attached to entities":       h.DeletePolicy(ctx, theRoot, attached),
		"user from all groups first": func() error { h.withoutKeys("ann"); return h.DeleteUser(ctx, theRoot, "ann") }(),
	} {
		if !fault.Is(err, fault.InUse) || !strings.Contains(fault.Public(err), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	steps(h.LeaveGroup(ctx, theRoot, "staff", "ann"), h.LeaveGroup(ctx, theRoot, "staff", "ann"))
	if h.may(ann, "ec2:DescribeImages") == "" {
		t.Error("who has left the group may")
	}
	steps(h.DeleteUser(ctx, theRoot, "ann"), h.DeleteInline(ctx, theRoot, staff, "p"), h.Detach(ctx, theRoot, staff, attached), h.DeleteGroup(ctx, theRoot, "staff"), h.DeletePolicy(ctx, theRoot, attached))
}

func (h *house) withoutKeys(user string) {
	h.t.Helper()
	ctx := context.Background()
	keys, err := h.AccessKeys(ctx, theRoot, user)
	for _, k := range keys {
		if err == nil {
			err = h.DeleteAccessKey(ctx, theRoot, user, k.Key.Name)
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// A boundary grants nothing and limits everything, also for sessions.
func TestBoundary(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, rules.AWS)
	limit := h.managed("limit", policy(statement("Allow", "ec2:*", "*", ""), statement("Allow", "sts:*", "*", ""), statement("Deny", "ec2:CopyImage", "*", "")))
	ann := h.user("ann", policy(statement("Allow", "ec2:*", "*", ""), statement("Allow", "appstream:*", "*", "")))
	bob := h.user("bob", "")
	want := func(c domain.Caller, action, why string) {
		t.Helper()
		if got := h.may(c, action); got != why {
			t.Errorf("%s %s: %q, want %q", c.Name, action, got, why)
		}
	}
	users := func(name string) service.Holder { return service.Holder{Kind: domain.KindUser, Name: name} }
	for _, n := range []string{"ann", "bob"} {
		if err := h.SetBoundary(ctx, theRoot, users(n), limit); err != nil {
			t.Fatal(err)
		}
	}
	want(ann, "ec2:DescribeImages", "")
	want(ann, "appstream:DescribeImages", "because no permissions boundary allows the appstream:DescribeImages action")
	want(ann, "ec2:CopyImage", "with an explicit deny in a permissions boundary")
	want(ann, "iam:GetUser", "because no identity-based policy allows the iam:GetUser action")
	want(bob, "ec2:DescribeImages", "because no identity-based policy allows the ec2:DescribeImages action")

	// It is held on to while it is a boundary, attached or not.
	if err := h.Attach(ctx, theRoot, users("ann"), limit); err != nil {
		t.Fatal(err)
	}
	if err := h.Detach(ctx, theRoot, users("ann"), limit); err != nil {
		t.Fatal(err)
	}
	if p, err := h.Policy(ctx, theRoot, limit); err != nil || p.Boundaries != 2 || p.Attachments != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if err := h.DeletePolicy(ctx, theRoot, limit); !fault.Is(err, fault.InUse) {
		t.Errorf("a boundary is deleted: %v", err)
	}
	// Whoever may only make users within the boundary must name it.
	chief := h.user("chief", policy(statement("Allow", "iam:CreateUser", "*", `{"StringEquals":{"iam:PermissionsBoundary":"`+limit+`"}}`),
		statement("Allow", "iam:PutUserPolicy", "*", `{"StringEquals":{"iam:PermissionsBoundary":"`+limit+`"}}`)))
	put := func(user string) service.Check {
		return service.Check{Action: "iam:PutUserPolicy", Resources: []string{"arn:aws:iam::123456789012:user/" + user}}
	}
	if err := h.Authorize(ctx, chief, nil, put("ann")); err != nil {
		t.Errorf("within the boundary: %v", err)
	}
	if err := h.Authorize(ctx, chief, nil, put("chief")); !fault.Is(err, fault.Denied) {
		t.Errorf("without a boundary: %v", err)
	}

	// A role's sessions are limited, and so is what an import may do with it.
	r := domain.Role{Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}`, Boundary: domain.Boundary{BoundaryARN: limit}}
	r.Key.Name = "guest"
	role, err := h.CreateRole(ctx, theRoot, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.PutRolePolicy(ctx, theRoot, "guest", "p", policy(statement("Allow", "*", "*", ""))); err != nil {
		t.Fatal(err)
	}
	if err := h.SetBoundary(ctx, theRoot, users("bob"), ""); err != nil {
		t.Fatal(err)
	}
	if err := h.PutInline(ctx, theRoot, users("bob"), "p", policy(statement("Allow", "sts:AssumeRole", "*", ""))); err != nil {
		t.Fatal(err)
	}
	session, err := h.AssumeRole(ctx, bob, nil, service.Assume{RoleARN: role.ARN(), Session: "visit"})
	if err != nil {
		t.Fatal(err)
	}
	guest := h.as(session.Key.Name)
	want(guest, "ec2:DescribeImages", "")
	want(guest, "appstream:DescribeImages", "because no permissions boundary allows the appstream:DescribeImages action")

	for what, err := range map[string]error{
		"no policy":   h.SetBoundary(ctx, theRoot, users("bob"), "arn:aws:iam::123456789012:policy/none"),
		"no boundary": h.SetBoundary(ctx, theRoot, users("bob"), ""),
		"no user":     h.SetBoundary(ctx, theRoot, users("nobody"), limit),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
