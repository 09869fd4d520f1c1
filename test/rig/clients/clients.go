// Package clients has plain AWS clients of a server, and one of its own API, for
// tests and for programs that measure servers.
//
// What may not be here: a judgement about the server's answers.
package clients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// Clients are plain AWS clients of a server, and one of its own API. They send
// every request once.
type Clients struct {
	EBS       *ebs.Client
	EC2       *ec2.Client
	IAM       *iam.Client
	STS       *sts.Client
	AppStream *appstream.Client
	Account   string

	cfg aws.Config
}

// New makes clients with somebody's key.
func New(f rig.Client) *Clients {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.ResponseHeaderTimeout = 30 * time.Second
	cfg := aws.Config{
		Region: f.Region, BaseEndpoint: aws.String(f.Endpoint), HTTPClient: &http.Client{Transport: t},
		Credentials: credentials.NewStaticCredentialsProvider(f.AccessKeyID, f.SecretAccessKey, ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
	return clientsOf(cfg, f.Account)
}

// In is the same clients in another Region.
func (c *Clients) In(region string) *Clients {
	cfg := c.cfg.Copy()
	cfg.Region = region
	return clientsOf(cfg, c.Account)
}

func clientsOf(cfg aws.Config, account string) *Clients {
	return &Clients{
		EBS: ebs.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg), IAM: iam.NewFromConfig(cfg), STS: sts.NewFromConfig(cfg),
		AppStream: appstream.NewFromConfig(cfg), Account: account, cfg: cfg,
	}
}

// MakeRole makes the role that imports and exports want and gives its ARN.
func (c *Clients) MakeRole(ctx context.Context, name string) (string, error) {
	out, err := c.IAM.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appstream.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		return "", err
	}
	_, err = c.IAM.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("images"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}`)})
	return aws.ToString(out.Role.Arn), err
}

// Jobs lists the newest jobs, up to a thousand.
func (c *Clients) Jobs(ctx context.Context, active bool) ([]adminapi.Job, error) {
	var out adminapi.Jobs
	path := "/jobs?limit=1000"
	if active {
		path += "&active=1"
	}
	err := c.Admin(ctx, "GET", path, nil, &out)
	return out.Jobs, err
}

// Image asks for everything that is known of an image.
func (c *Clients) Image(ctx context.Context, name string) (adminapi.Image, error) {
	var out adminapi.Image
	err := c.Admin(ctx, "GET", "/images/"+name, nil, &out)
	return out, err
}

// Admin sends one request to the server's own API.
func (c *Clients) Admin(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, aws.ToString(c.cfg.BaseEndpoint)+adminapi.Prefix+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	creds, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), adminapi.Service, c.cfg.Region, time.Now()); err != nil {
		return err
	}
	resp, err := c.cfg.HTTPClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &AdminError{Status: resp.StatusCode, Text: string(b)}
	}
	return json.Unmarshal(b, out)
}

// AdminError is an answer of the server's own API that is no success.
type AdminError struct {
	Status int
	Text   string
}

func (e *AdminError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Text) }
