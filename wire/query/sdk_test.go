package query_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"slipway/wire"
	"slipway/wire/iam"
	"slipway/wire/protocols"
	"slipway/wire/sts"
)

const (
	goodKey  = "AKIAGOOD"
	tempKey  = "ASIATEMP"
	tempOver = "ASIAOVER"
	secret   = "s/e+c=ret"
)

// serve starts a server with the real codecs and the real verifier.
func serve(t *testing.T, handlers map[*wire.Op]wire.Handler) string {
	t.Helper()
	services := protocols.Services()
	srv := httptest.NewServer(wire.NewServer(wire.Config{
		Services: services, Handlers: handlers, Codecs: protocols.Codecs(), Verifier: protocols.Verifier(time.Now, services),
		Keys: func(_ context.Context, id string) (wire.Secret, error) {
			who := wire.Identity{AccessKeyID: id, Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/ann", UserID: "AIDA"}
			switch id {
			case goodKey:
				return wire.Secret{Key: secret, Identity: who}, nil
			case tempKey:
				return wire.Secret{Key: secret, SessionToken: "to/k+en==", Identity: who}, nil
			case tempOver:
				return wire.Secret{}, wire.ErrExpiredKey
			}
			return wire.Secret{}, wire.ErrUnknownKey
		},
		Now: time.Now, NewRequestID: func() string { return "req-42" }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func config(endpoint, key, sec, token string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: sec, SessionToken: token}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

var stsHandlers = map[*wire.Op]wire.Handler{
	sts.OpGetCallerIdentity: wire.Handle(func(_ context.Context, c *wire.Call, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
		return &sts.GetCallerIdentityResponse{Account: &c.Identity.Account, Arn: &c.Identity.ARN, UserId: &c.Region}, nil
	}),
}

func TestSTSClient(t *testing.T) {
	endpoint := serve(t, stsHandlers)
	ctx := context.Background()
	for _, c := range []struct{ key, secret, token, code string }{
		{goodKey, secret, "", ""},
		{tempKey, secret, "to/k+en==", ""},
		{tempKey, secret, "other", "InvalidClientTokenId"},
		{tempKey, secret, "", "InvalidClientTokenId"},
		{goodKey, secret, "stray", "InvalidClientTokenId"},
		{goodKey, "wrong", "", "SignatureDoesNotMatch"},
		{"AKIANOBODY", secret, "", "InvalidClientTokenId"},
		{tempOver, secret, "x", "ExpiredToken"},
	} {
		out, err := awssts.NewFromConfig(config(endpoint, c.key, c.secret, c.token)).GetCallerIdentity(ctx, nil)
		var ae smithy.APIError
		switch {
		case c.code != "" && (!errors.As(err, &ae) || ae.ErrorCode() != c.code):
			t.Errorf("%+v: %v", c, err)
		case c.code == "" && (err != nil || *out.Account != "123456789012" || *out.UserId != "eu-central-1"):
			t.Errorf("%+v: %v", c, err)
		}
	}
	// An operation nobody built says so.
	var ae smithy.APIError
	_, err := awssts.NewFromConfig(config(endpoint, goodKey, secret, "")).AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String("r"), RoleSessionName: aws.String("s")})
	if !errors.As(err, &ae) || ae.ErrorCode() != "NotImplementedException" {
		t.Error(err)
	}
}

func TestSTSPresigned(t *testing.T) {
	endpoint := serve(t, stsHandlers)
	client := awssts.NewPresignClient(awssts.NewFromConfig(config(endpoint, tempKey, secret, "to/k+en==")))
	signed, err := client.PresignGetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(u string) int {
		req, _ := http.NewRequest(signed.Method, u, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := get(signed.URL); got != 200 {
		t.Errorf("status %d for %s", got, signed.URL)
	}
	u, _ := url.Parse(signed.URL)
	q := u.Query()
	q.Set("Action", "AssumeRole")
	u.RawQuery = q.Encode()
	if got := get(u.String()); got != 403 {
		t.Errorf("status %d for another action", got)
	}
}

func TestIAMClient(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var seen *iam.CreateRoleRequest
	endpoint := serve(t, map[*wire.Op]wire.Handler{
		iam.OpCreateRole: wire.Handle(func(_ context.Context, _ *wire.Call, in *iam.CreateRoleRequest) (*iam.CreateRoleResponse, error) {
			seen = in
			return &iam.CreateRoleResponse{Role: &iam.Role{RoleName: in.RoleName, Path: aws.String("/"), RoleId: aws.String("AROA"),
				Arn: aws.String("arn:aws:iam::123456789012:role/r"), CreateDate: &created, Tags: in.Tags}}, nil
		}),
		iam.OpGetRole: wire.Handle(func(_ context.Context, _ *wire.Call, in *iam.GetRoleRequest) (*iam.GetRoleResponse, error) {
			return nil, wire.Exceptionf("NoSuchEntityException", "The role with name %s cannot be found.", *in.RoleName)
		}),
		iam.OpDeleteRole: wire.Handle(func(_ context.Context, _ *wire.Call, _ *iam.DeleteRoleRequest) (*struct{}, error) { return nil, nil }),
	})
	client := awsiam.NewFromConfig(config(endpoint, goodKey, secret, ""))
	ctx := context.Background()
	const doc = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	out, err := client.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(doc),
		MaxSessionDuration: aws.Int32(3600), Tags: []iamtypes.Tag{{Key: aws.String("a b"), Value: aws.String("ü+=")}}})
	if err != nil {
		t.Fatal(err)
	}
	if *seen.AssumeRolePolicyDocument != doc || *seen.MaxSessionDuration != 3600 || !out.Role.CreateDate.Equal(created) ||
		len(out.Role.Tags) != 1 || *out.Role.Tags[0].Value != "ü+=" {
		t.Errorf("seen %+v, got %+v", seen, out.Role)
	}
	var none *iamtypes.NoSuchEntityException
	if _, err := client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("x")}); !errors.As(err, &none) || none.ErrorMessage() != "The role with name x cannot be found." {
		t.Error(err)
	}
	if _, err := client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("x")}); err != nil {
		t.Error(err)
	}
	var ae smithy.APIError
	if _, err := client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("not/allowed")}); !errors.As(err, &ae) || ae.ErrorCode() != "ValidationError" {
		t.Error(err)
	}
}
