package service_test

import (
	"strings"
	"testing"

	"slipway/disk/rules"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// The role of VM Import/Export is there, trusts it, and may read that object.
func TestRoleOfImports(t *testing.T) {
	s, c := newHouse(t, rules.AWS).Service, theRoot
	s.Config.Transfers.Bucket = true
	ask := func(key string) error {
		_, err := s.ImportDisk(t.Context(), c, service.ImportSpec{Kind: domain.KindImportSnapshot, Task: domain.ImportTask{Source: domain.DiskSource{Bucket: "images", Key: key}}})
		return err
	}
	refused := func(what, hint string) {
		t.Helper()
		err := ask("in/k")
		if text := fault.Public(err); !strings.HasPrefix(text, "The service role vmimport provided does not exist or does not have sufficient permissions") || !strings.Contains(text, hint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("no role", "There is no such role")
	role := domain.Role{Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}
	role.Key.Name = "vmimport"
	if _, err := s.CreateRole(t.Context(), c, role); err != nil {
		t.Fatal(err)
	}
	refused("another trust", "vmie.amazonaws.com")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vmie.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"vmimport"}}}]}`
	if err := s.SetTrust(t.Context(), c, "vmimport", trust); err != nil {
		t.Fatal(err)
	}
	refused("no permission", "s3:GetObject")
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::images/in/*"]}]}`
	if err := s.PutRolePolicy(t.Context(), c, "vmimport", "p", policy); err != nil {
		t.Fatal(err)
	}
	if err := ask("in/k"); err != nil {
		t.Errorf("all is well: %v", err)
	}
	if err := ask("out/k"); err == nil {
		t.Error("an object that the role may not read was taken")
	}
}
