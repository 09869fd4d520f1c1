package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/wire/sigv4"
)

// adminClient calls the server's admin API.
type adminClient struct{ to *target }

// adminError is an answer that is not a success.
type adminError struct {
	Status int
	adminapi.ErrorBody
}

func (e *adminError) Error() string { return e.Message }

func newAdminClient(ctx context.Context, dataDir string) (*adminClient, error) {
	t, err := resolveAdmin(ctx, dataDir)
	if err != nil {
		return nil, err
	}
	return &adminClient{t}, nil
}

// call sends one request and decodes the answer into out.
func (c *adminClient) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.to.Endpoint+adminapi.Prefix+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	creds, err := c.to.Credentials.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("find AWS credentials: %w", err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	sigv4.Signer{
		AccessKeyID: creds.AccessKeyID, Secret: creds.SecretAccessKey, SessionToken: creds.SessionToken,
		Region: c.to.Region, Service: adminapi.Service,
	}.Sign(r, body, time.Now())
	resp, err := c.to.HTTPClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode/100 == 2 {
		return json.Unmarshal(b, out)
	}
	var f adminapi.Failure
	if json.Unmarshal(b, &f) != nil || f.Error.Message == "" {
		return fmt.Errorf("%s answered %s, which is not Slipway's admin API: check the endpoint", c.to, resp.Status)
	}
	return &adminError{resp.StatusCode, f.Error}
}
