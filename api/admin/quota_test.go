package admin_test

import (
	"context"
	"strings"
	"testing"

	"slipway/api/admin/adminapi"
	"slipway/fault"
)

// limited is a source that knows quotas.
type limited struct {
	source
	set adminapi.SetQuotaRequest
}

func (l *limited) Quotas(_ context.Context, account, region string) (adminapi.Quotas, error) {
	return adminapi.Quotas{Account: account, Region: region, Quotas: []adminapi.Quota{{Code: "c", Name: "n", Default: 5, Value: 7}}}, nil
}

func (l *limited) SetQuota(_ context.Context, in adminapi.SetQuotaRequest) (adminapi.Quota, error) {
	l.set = in
	if in.Code != "c" {
		return adminapi.Quota{}, fault.New(fault.NotFound, "There is no quota %s.", in.Code)
	}
	return adminapi.Quota{Code: in.Code}, nil
}

func TestQuotas(t *testing.T) {
	l := &limited{}
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/quotas?account=1&region=r", "", 200, `{"account":"1","region":"r","quotas":[{"code":"c","name":"n","default":5,"value":7,"adjustable":false}]}`},
		{"POST", "/quotas", `{"code":"c","value":0}`, 200, `"code":"c"`},
		{"POST", "/quotas", `{"code":"x"}`, 404, `"kind":"not-found"`},
		{"POST", "/quotas", `{`, 400, `"kind":"bad-value"`},
	} {
		code, got := ask(t, l, c.method, c.path, c.body)
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %s\nwant %d with %s", c.method, c.path, code, got, c.code, c.want)
		}
		if c.code == 200 && c.method == "POST" && (l.set.Value == nil || *l.set.Value != 0) {
			t.Errorf("a quota of none became %v", l.set.Value)
		}
	}
	if code, _ := ask(t, &source{}, "GET", "/quotas", ""); code != 404 {
		t.Errorf("a source without quotas: %d", code)
	}
}
