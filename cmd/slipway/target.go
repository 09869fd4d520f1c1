package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// target is where client commands go and as whom.
type target struct {
	aws.Config
	Endpoint string // "" is AWS itself
	Source   string // where it was learnt, for people
}

func (t *target) String() string {
	if t.Endpoint == "" {
		return "AWS, " + t.Region + " (from " + t.Source + ")"
	}
	return t.Endpoint + " (from " + t.Source + ")"
}

// targetFlag declares --data-dir for client commands; the default is decided
// by resolve, so that an environment made by `slipway env` counts.
func targetFlag(fs *flag.FlagSet) *string {
	return fs.String("data-dir", "", "use the server of this data `dir`ectory instead of the AWS_ environment (without either: SLIPWAY_DATA or ~/.local/share/slipway)")
}

// resolve finds the target. A data directory named on the command line wins;
// then the AWS environment; then the default data directory.
func resolve(ctx context.Context, dataDir string) (*target, error) {
	if dataDir == "" && os.Getenv("AWS_ENDPOINT_URL") == "" && os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
		dataDir = defaultDataDir()
	}
	if dataDir != "" {
		return fromDataDir(dataDir)
	}
	return fromEnvironment(ctx)
}

// resolveAdmin is resolve for the admin API, which AWS does not have: without
// an endpoint in the environment it means the default data directory.
func resolveAdmin(ctx context.Context, dataDir string) (*target, error) {
	if dataDir == "" && os.Getenv("AWS_ENDPOINT_URL") == "" {
		dataDir = defaultDataDir()
	}
	return resolve(ctx, dataDir)
}

func fromDataDir(dir string) (*target, error) {
	c, err := ReadClientFile(dir)
	if err != nil {
		return nil, err
	}
	client, err := httpClient(c.CABundle)
	if err != nil {
		return nil, err
	}
	// Built by hand, so that nothing in ~/.aws can change it.
	return &target{
		Endpoint: c.Endpoint, Source: dir,
		Config: aws.Config{
			Region: c.Region, BaseEndpoint: aws.String(c.Endpoint), HTTPClient: client,
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, ""),
		},
	}, nil
}

func fromEnvironment(ctx context.Context) (*target, error) {
	// The SDK's own kind of client: it adds AWS_CA_BUNDLE to no other.
	client := awshttp.NewBuildableClient().WithTransportOptions(tune)
	opts := []func(*config.LoadOptions) error{config.WithHTTPClient(client)}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	endpoint := strings.TrimRight(os.Getenv("AWS_ENDPOINT_URL"), "/")
	if key != "" && secret != "" {
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(key, secret, os.Getenv("AWS_SESSION_TOKEN"))))
	}
	if key != "" || endpoint != "" {
		// Only a machine inside EC2 that was given nothing else has a reason to
		// wait for the metadata service.
		opts = append(opts, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("no Region is chosen: set AWS_REGION, or name a server with --data-dir")
	}
	if endpoint == "" {
		endpoint = aws.ToString(cfg.BaseEndpoint) // a profile may name one
	}
	return &target{Config: cfg, Endpoint: endpoint, Source: "the environment"}, nil
}

// tune keeps as many connections as a parallel transfer uses and lets a whole
// 512 KiB block through in few system calls.
func tune(t *http.Transport) {
	t.MaxIdleConnsPerHost = 64
	t.WriteBufferSize = 128 << 10
	t.ReadBufferSize = 128 << 10
	t.ResponseHeaderTimeout = time.Minute
	t.ForceAttemptHTTP2 = false
}

// httpClient makes a client for a server of ours. bundle is a PEM file of
// authorities to trust besides the system's; "" for none.
func httpClient(bundle string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	tune(t)
	if bundle != "" {
		pem, err := os.ReadFile(bundle)
		if err != nil {
			return nil, fmt.Errorf("read the authorities to trust: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", bundle)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}

// once makes SDK clients of cfg send each request once: whoever retries knows
// the block and tells the user.
func once(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}
