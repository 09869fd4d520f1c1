package metadata_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"slipway/api/metadata"
	"slipway/domain"
)

// TestSDK lets AWS's own client be the judge: it fetches a token first, and
// finds Region, identity and credentials by itself.
func TestSDK(t *testing.T) {
	w := newWorld(t)
	w.key.Expires = time.Now().Add(time.Hour)
	w.guest.NoIMDSv1 = new(true)
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.h.ServeHTTP(out, r.WithContext(metadata.WithMachine(r.Context(), "m-1")))
	}))
	defer s.Close()
	c := imds.New(imds.Options{Endpoint: s.URL})
	region, err := c.GetRegion(t.Context(), nil)
	if err != nil || region.Region != "eu-west-1" {
		t.Errorf("region: %+v, %v", region, err)
	}
	doc, err := c.GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || doc.InstanceID != domain.InstanceID("m-1") || doc.AccountID != "111122223333" || doc.AvailabilityZone != "eu-west-1b" {
		t.Errorf("identity: %+v, %v", doc, err)
	}
	info, err := c.GetIAMInfo(t.Context(), nil)
	if err != nil || info.Code != "Success" || info.InstanceProfileArn != "arn:aws:iam::111122223333:instance-profile/maker" {
		t.Errorf("role: %+v, %v", info, err)
	}
	keys, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = c }).Retrieve(t.Context())
	if err != nil || keys.AccessKeyID != "ASIA1" || keys.SecretAccessKey != "s3cret" || keys.SessionToken != "t0ken" || !keys.CanExpire {
		t.Errorf("credentials: %+v, %v", keys, err)
	}
	data, err := c.GetUserData(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var user struct{ ResourceARN string }
	if err := json.NewDecoder(data.Content).Decode(&user); err != nil || user.ResourceARN != "arn:aws:appstream:eu-west-1:111122223333:image-builder/b" {
		t.Errorf("user data: %+v, %v", user, err)
	}
}
