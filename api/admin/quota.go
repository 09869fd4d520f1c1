package admin

import (
	"context"
	"net/http"

	"slipway/api/admin/adminapi"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
)

// Limiter is a Source that knows quotas.
type Limiter interface {
	// Quotas lists the quotas of an account in a Region; "" is the caller's.
	Quotas(ctx context.Context, account, region string) (adminapi.Quotas, error)
	// SetQuota changes one of them. NotFound for a code that does not exist.
	SetQuota(ctx context.Context, in adminapi.SetQuotaRequest) (adminapi.Quota, error)
}

func (h *handler) quotas(r *http.Request) (any, error) {
	l, err := h.limiter()
	if err != nil {
		return nil, err
	}
	v := r.URL.Query()
	return l.Quotas(r.Context(), v.Get("account"), v.Get("region"))
}

func (h *handler) setQuota(r *http.Request) (any, error) {
	l, err := h.limiter()
	if err != nil {
		return nil, err
	}
	var in adminapi.SetQuotaRequest
	if err := body(r, &in); err != nil {
		return nil, err
	}
	return l.SetQuota(r.Context(), in)
}

func (h *handler) limiter() (Limiter, error) {
	l, ok := h.src.(Limiter)
	if !ok {
		return nil, fault.New(fault.NotFound, "This server keeps no quotas.")
	}
	return l, nil
}

// quotaScope is whose quotas are meant.
func quotaScope(ctx context.Context, account, region string) (domain.Scope, error) {
	c, err := caller(ctx)
	if err != nil {
		return domain.Scope{}, err
	}
	sc := c.Scope()
	if account != "" {
		sc.Account = account
	}
	if region != "" {
		sc.Region = region
	}
	if !domain.IsAccountID(sc.Account) {
		return sc, fault.New(fault.BadValue, "The account is %q: it must be 12 digits.", sc.Account)
	}
	return sc, nil
}

// Quotas implements Limiter.
func (o Operator) Quotas(ctx context.Context, account, region string) (adminapi.Quotas, error) {
	sc, err := quotaScope(ctx, account, region)
	if err != nil {
		return adminapi.Quotas{}, err
	}
	all, err := o.Service.Quotas(ctx, sc)
	out := adminapi.Quotas{Account: sc.Account, Region: sc.Region, Quotas: []adminapi.Quota{}}
	for _, q := range all {
		out.Quotas = append(out.Quotas, quotaShape(q))
	}
	return out, err
}

// SetQuota implements Limiter.
func (o Operator) SetQuota(ctx context.Context, in adminapi.SetQuotaRequest) (adminapi.Quota, error) {
	sc, err := quotaScope(ctx, in.Account, in.Region)
	if err != nil {
		return adminapi.Quota{}, err
	}
	q, err := o.Service.SetQuota(ctx, sc, in.Code, in.Value)
	return quotaShape(q), err
}

func quotaShape(q service.QuotaUse) adminapi.Quota {
	return adminapi.Quota{Code: q.Code, Name: q.Name, AWSCode: q.AWSCode, Default: q.Default, Value: q.Value, Adjustable: q.Adjustable}
}
