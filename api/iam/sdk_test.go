package iam_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"slipway/api"
	"slipway/api/throttle"
	"slipway/domain"
	"slipway/service"
	"slipway/store"
	"slipway/store/sqlite"
	"slipway/wire"
	"slipway/wire/protocols"
)

// rig is a server on a real store, and clients of it.
type rig struct {
	t   *testing.T
	url string
	svc *service.Service
}

func newRig(t *testing.T, dir string) *rig {
	t.Helper()
	st, err := sqlite.Open(dir, sqlite.Options{Clock: domain.WallClock})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, svc: &service.Service{Store: st, IDs: domain.RandomIDs, Config: service.Config{Operator: "111111111111"}}}
	srv := httptest.NewServer(wire.NewServer(wire.Config{
		Services: api.Services(), Handlers: api.Handlers(r.svc, throttle.New(throttle.Limits{})), Codecs: protocols.Codecs(),
		Verifier: protocols.Verifier(time.Now, api.Services()), Keys: api.Keys(r.svc), Explain: api.Explain,
		Now: time.Now, NewRequestID: domain.RandomIDs.UUID, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}))
	r.url = srv.URL
	t.Cleanup(func() { srv.Close(); st.Close() })
	return r
}

// actor is somebody with credentials.
type actor struct {
	iam *iam.Client
	sts *sts.Client
	app *appstream.Client
	ec2 *ec2.Client
}

func (r *rig) as(key, secret, token string) actor {
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &r.url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return actor{iam.NewFromConfig(cfg), sts.NewFromConfig(cfg), appstream.NewFromConfig(cfg), ec2.NewFromConfig(cfg)}
}

func (r *rig) account(id string) actor {
	r.t.Helper()
	_, k, err := r.svc.CreateAccount(context.Background(), id, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return r.as(k.Key.Name, k.Secret, "")
}

// user makes a user with a key, by way of an administrator.
func (r *rig) user(admin actor, name, policy string) (actor, *types.AccessKey) {
	r.t.Helper()
	ctx := context.Background()
	_, err := admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	if err == nil && policy != "" {
		_, err = admin.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	k, err := admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.as(*k.AccessKey.AccessKeyId, *k.AccessKey.SecretAccessKey, ""), k.AccessKey
}

func allow(resource string, actions ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"` + resource + `"}]}`
}

// refused wants an error of that code whose message contains text.
func refused(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	var ae smithy.APIError
	if !errors.As(err, &ae) || ae.ErrorCode() != code || !strings.Contains(ae.ErrorMessage(), text) {
		t.Errorf("%s: %v\nwant %s … %s", what, err, code, text)
	}
}

func TestANarrowUserMayDoExactlyThat(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root := r.account("111111111111")
	ann, _ := r.user(root, "ann", allow("arn:aws:appstream:us-east-1:111111111111:image/*", "appstream:DescribeImages"))
	if _, err := ann.app.DescribeImages(ctx, &appstream.DescribeImagesInput{}); err != nil {
		t.Error(err)
	}
	const user = "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: "
	_, err := ann.app.DeleteImage(ctx, &appstream.DeleteImageInput{Name: aws.String("x")})
	refused(t, "DeleteImage", err, "AccessDeniedException", user+"appstream:DeleteImage on resource: arn:aws:appstream:us-east-1:111111111111:image/x because no identity-based policy allows the appstream:DeleteImage action")
	_, err = ann.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{})
	refused(t, "ec2", err, "UnauthorizedOperation", "You are not authorized to perform this operation. "+user+"ec2:DescribeImages")
	_, err = ann.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{DryRun: aws.Bool(true)})
	refused(t, "ec2 dry run", err, "UnauthorizedOperation", "You are not authorized")
	_, err = ann.iam.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, "iam", err, "AccessDenied", user+"iam:ListUsers on resource: arn:aws:iam::111111111111:user/*")
	who, err := ann.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::111111111111:user/ann" || !strings.HasPrefix(*who.UserId, "AIDA") || *who.Account != "111111111111" {
		t.Errorf("who: %+v %v", who, err)
	}
	who, err = root.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::111111111111:root" || *who.UserId != "111111111111" {
		t.Errorf("root: %+v %v", who, err)
	}
}

// TestPassRoleComesBeforeLookUps: the action, then the role, then what is there.
func TestPassRoleComesBeforeLookUps(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root := r.account("111111111111")
	role := "arn:aws:iam::111111111111:role/import"
	in := &appstream.CreateExportImageTaskInput{ImageName: aws.String("none"), AmiName: aws.String("name"), IamRoleArn: &role}
	nobody, _ := r.user(root, "nobody", "")
	_, err := nobody.app.CreateExportImageTask(ctx, in)
	refused(t, "without anything", err, "AccessDeniedException", "appstream:CreateExportImageTask on resource: arn:aws:appstream:us-east-1:111111111111:image/*")
	half, _ := r.user(root, "half", allow("*", "appstream:*"))
	_, err = half.app.CreateExportImageTask(ctx, in)
	refused(t, "without PassRole", err, "AccessDeniedException", "iam:PassRole on resource: "+role+" because no identity-based policy allows the iam:PassRole action")
	wrong, _ := r.user(root, "wrong", strings.Replace(allow("*", "appstream:*", "iam:PassRole"), `"Resource":"*"`, `"Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}`, 1))
	_, err = wrong.app.CreateExportImageTask(ctx, in)
	refused(t, "PassRole to another service", err, "AccessDeniedException", "appstream:CreateExportImageTask")
	full, _ := r.user(root, "full", allow("*", "appstream:*", "iam:PassRole"))
	_, err = full.app.CreateExportImageTask(ctx, in)
	refused(t, "with both", err, "ResourceNotFoundException", "none")
}

func TestKeysThatAreRefused(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root := r.account("111111111111")
	ann, key := r.user(root, "ann", allow("*", "*"))
	see := func(a actor) error {
		_, err := a.app.DescribeImages(ctx, &appstream.DescribeImagesInput{})
		return err
	}
	if err := see(ann); err != nil {
		t.Fatal(err)
	}
	for _, s := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		if _, err := root.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: key.AccessKeyId, Status: s}); err != nil {
			t.Fatal(err)
		}
		if s == types.StatusTypeInactive {
			refused(t, "disabled", see(ann), "UnrecognizedClientException", "security token")
			_, err := ann.iam.GetUser(ctx, &iam.GetUserInput{})
			refused(t, "disabled, IAM", err, "InvalidClientTokenId", "")
			_, err = ann.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{})
			refused(t, "disabled, EC2", err, "AuthFailure", "")
		} else if err := see(ann); err != nil {
			t.Errorf("enabled again: %v", err)
		}
	}
	refused(t, "unknown", see(r.as("AKIAAAAAAAAAAAAAAAAA", "x", "")), "UnrecognizedClientException", "")
	refused(t, "wrong secret", see(r.as(*key.AccessKeyId, "x", "")), "InvalidSignatureException", "")
	refused(t, "token with a lasting key", see(r.as(*key.AccessKeyId, *key.SecretAccessKey, "x")), "UnrecognizedClientException", "")
	if _, err := root.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: key.AccessKeyId}); err != nil {
		t.Fatal(err)
	}
	refused(t, "deleted", see(ann), "UnrecognizedClientException", "")
}

func TestSessionsOverTheWire(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	var c *sts.AssumeRoleOutput
	t.Run("made", func(t *testing.T) {
		r := newRig(t, dir)
		root := r.account("111111111111")
		ann, _ := r.user(root, "ann", allow("*", "sts:AssumeRole"))
		name, trust := "seer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole"}]}`
		made, err := root.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: aws.String("/team/"), AssumeRolePolicyDocument: &trust})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonAppStreamReadOnlyAccess")}); err != nil {
			t.Fatal(err)
		}
		in := &sts.AssumeRoleInput{RoleArn: made.Role.Arn, RoleSessionName: aws.String("work"), DurationSeconds: aws.Int32(900)}
		_, err = root.sts.AssumeRole(ctx, in)
		refused(t, "root", err, "AccessDenied", "Roles may not be assumed by root accounts.")
		if c, err = ann.sts.AssumeRole(ctx, in); err != nil {
			t.Fatal(err)
		}
		if *c.AssumedRoleUser.Arn != "arn:aws:sts::111111111111:assumed-role/seer/work" {
			t.Errorf("%+v", c.AssumedRoleUser)
		}
		in.DurationSeconds = aws.Int32(43200)
		_, err = ann.sts.AssumeRole(ctx, in)
		refused(t, "too long", err, "ValidationError", "MaxSessionDuration")
		in.DurationSeconds, in.RoleArn = nil, aws.String("arn:aws:iam::111111111111:role/none")
		_, err = ann.sts.AssumeRole(ctx, in)
		refused(t, "no role", err, "AccessDenied", "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111111111111:role/none")
		in.RoleArn, in.Policy = made.Role.Arn, aws.String("{")
		_, err = ann.sts.AssumeRole(ctx, in)
		refused(t, "session policy", err, "MalformedPolicyDocument", "")
	})
	t.Run("after a restart", func(t *testing.T) {
		r := newRig(t, dir)
		k := c.Credentials
		s := r.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
		if _, err := s.app.DescribeImages(ctx, &appstream.DescribeImagesInput{}); err != nil {
			t.Error(err)
		}
		_, err := s.app.DeleteImage(ctx, &appstream.DeleteImageInput{Name: aws.String("x")})
		refused(t, "session", err, "AccessDeniedException", "User: arn:aws:sts::111111111111:assumed-role/seer/work is not authorized")
		who, err := s.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil || *who.Arn != "arn:aws:sts::111111111111:assumed-role/seer/work" || *who.UserId != *c.AssumedRoleUser.AssumedRoleId {
			t.Errorf("who: %+v %v", who, err)
		}
		_, err = r.as(*k.AccessKeyId, *k.SecretAccessKey, "").app.DescribeImages(ctx, &appstream.DescribeImagesInput{})
		refused(t, "without the token", err, "UnrecognizedClientException", "")
		r.expire(*k.AccessKeyId)
		_, err = s.app.DescribeImages(ctx, &appstream.DescribeImagesInput{})
		refused(t, "expired", err, "ExpiredTokenException", "")
		_, err = s.iam.ListRoles(ctx, &iam.ListRolesInput{})
		refused(t, "expired, IAM", err, "ExpiredToken", "")
	})
}

func TestAccountsSeeNothingOfEachOther(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	one, two := r.account("111111111111"), r.account("222222222222")
	r.user(one, "ann", "")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}]}`
	if _, err := one.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	p, err := one.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("*", "*"))})
	if err != nil {
		t.Fatal(err)
	}
	users, err := two.iam.ListUsers(ctx, &iam.ListUsersInput{})
	if err != nil || len(users.Users) != 0 {
		t.Errorf("users: %v %v", users, err)
	}
	_, err = two.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("ann")})
	refused(t, "user", err, "NoSuchEntity", "The user with name ann cannot be found.")
	_, err = two.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")})
	refused(t, "role", err, "NoSuchEntity", "The role with name r cannot be found.")
	_, err = two.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Policy.Arn})
	refused(t, "policy", err, "NoSuchEntity", "was not found")
	bob, _ := r.user(two, "bob", allow("*", "*"))
	_, err = bob.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111111111111:role/r"), RoleSessionName: aws.String("s1")})
	refused(t, "another account's role", err, "AccessDenied", "sts:AssumeRole")
}

func (r *rig) expire(id string) {
	r.t.Helper()
	err := r.svc.Store.Update(context.Background(), func(tx store.Tx) error {
		k := new(domain.SessionKey)
		if err := tx.Get(domain.Key{Kind: domain.KindSessionKey, Name: id}, k); err != nil {
			return err
		}
		k.Expires = tx.Now().Add(-time.Minute)
		return tx.Put(k)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestTheLifeOfAnEntity goes the way of an infrastructure tool: create, read
// back, list, change, delete in order, and each refusal on the way.
func TestTheLifeOfAnEntity(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root := r.account("111111111111")
	r.user(root, "ann", allow("*", "ec2:Describe*"))
	ann := aws.String("ann")
	doc, err := root.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: ann, PolicyName: aws.String("p")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := url.QueryUnescape(*doc.PolicyDocument); err != nil || text != allow("*", "ec2:Describe*") {
		t.Errorf("document: %s %v", text, err)
	}
	p, err := root.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("more"), Path: aws.String("/team/"), PolicyDocument: aws.String(allow("*", "ec2:*"))})
	if err != nil || *p.Policy.Arn != "arn:aws:iam::111111111111:policy/team/more" {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := root.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: ann, PolicyArn: p.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	got, err := root.iam.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, OnlyAttached: true})
	if err != nil || len(got.Policies) != 1 || *got.Policies[0].AttachmentCount != 1 {
		t.Errorf("policies: %+v %v", got, err)
	}
	sim, err := root.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String("arn:aws:iam::111111111111:user/ann"), ActionNames: []string{"ec2:RunInstances", "iam:GetUser"}})
	if err != nil || len(sim.EvaluationResults) != 2 || sim.EvaluationResults[0].EvalDecision != types.PolicyEvaluationDecisionTypeAllowed || sim.EvaluationResults[1].EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny {
		t.Errorf("simulation: %+v %v", sim, err)
	}
	del := func() error { _, err := root.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: ann}); return err }
	refused(t, "keys", del(), "DeleteConflict", "access keys")
	keys, err := root.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: ann})
	if err != nil || len(keys.AccessKeyMetadata) != 1 {
		t.Fatalf("%v %v", keys, err)
	}
	if _, err := root.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: ann, AccessKeyId: keys.AccessKeyMetadata[0].AccessKeyId}); err != nil {
		t.Fatal(err)
	}
	refused(t, "attached", del(), "DeleteConflict", "detach all policies")
	_, err = root.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Policy.Arn})
	refused(t, "policy in use", err, "DeleteConflict", "attached")
	if _, err := root.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: ann, PolicyArn: p.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	refused(t, "inline", del(), "DeleteConflict", "delete policies")
	if _, err := root.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: ann, PolicyName: aws.String("p")}); err != nil {
		t.Fatal(err)
	}
	if err := del(); err != nil {
		t.Error(err)
	}
	_, err = root.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: ann, PolicyName: aws.String("p"), PolicyDocument: aws.String("{}")})
	refused(t, "malformed", err, "MalformedPolicyDocument", "Statement is missing")
	_, err = root.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("x"), PermissionsBoundary: p.Policy.Arn})
	if err != nil {
		t.Error(err)
	}
	_, err = root.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Policy.Arn})
	refused(t, "boundary", err, "DeleteConflict", "attached")
}

// TestLists pages through roles.
func TestLists(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, t.TempDir())
	root := r.account("111111111111")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		if _, err := root.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &n, AssumeRolePolicyDocument: &trust, Tags: []types.Tag{{Key: aws.String("k"), Value: &n}}}); err != nil {
			t.Fatal(err)
		}
	}
	all := ""
	for p := iam.NewListRolesPaginator(root.iam, &iam.ListRolesInput{MaxItems: aws.Int32(2)}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range out.Roles {
			all += *role.RoleName
		}
	}
	if all != "abcde" {
		t.Errorf("pages: %s", all)
	}
	got, err := root.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("c")})
	if err != nil || len(got.Role.Tags) != 1 || *got.Role.Tags[0].Value != "c" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := root.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: aws.String("c"), TagKeys: []string{"k"}}); err != nil {
		t.Error(err)
	}
	if tags, err := root.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: aws.String("c")}); err != nil || len(tags.Tags) != 0 {
		t.Errorf("%v %v", tags, err)
	}
}
