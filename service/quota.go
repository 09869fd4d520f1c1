package service

import (
	"context"

	"slipway/domain"
	"slipway/fault"
	"slipway/store"
)

// QuotaUse is a quota with the value that holds.
type QuotaUse struct {
	domain.Quota
	Value int
}

// Quotas lists the quotas of an account in a Region.
func (s *Service) Quotas(ctx context.Context, sc domain.Scope) ([]QuotaUse, error) {
	var out []QuotaUse
	err := s.Store.View(ctx, func(tx store.Tx) error {
		for _, q := range domain.Quotas {
			v, err := quota(tx, sc, q.Code)
			if err != nil {
				return err
			}
			out = append(out, QuotaUse{Quota: q, Value: v})
		}
		return nil
	})
	return out, err
}

// SetQuota changes a quota of an account in a Region; nil gives it back its
// default. What exceeds a lowered quota stays.
func (s *Service) SetQuota(ctx context.Context, sc domain.Scope, code string, value *int) (QuotaUse, error) {
	q, ok := domain.FindQuota(code)
	if !ok {
		return QuotaUse{}, fault.New(fault.NotFound, "There is no quota %s.", code).WithHint("`slipway quota ls` lists them.")
	}
	if value != nil && *value < 0 {
		return QuotaUse{}, fault.New(fault.BadValue, "A quota cannot be negative.").WithHint("0 allows none at all.")
	}
	n := &domain.QuotaValue{}
	n.Key = domain.Key{Scope: sc, Kind: domain.KindQuota, Name: q.Code}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.Delete(n.Key); err != nil || value == nil {
			return err
		}
		n.Value = *value
		return tx.Insert(n)
	})
	if value == nil {
		return QuotaUse{Quota: q, Value: q.Default}, err
	}
	return QuotaUse{Quota: q, Value: *value}, err
}

// quota is what holds for an account in a Region.
func quota(tx store.Tx, sc domain.Scope, code string) (int, error) {
	n := new(domain.QuotaValue)
	err := tx.Get(domain.Key{Scope: sc, Kind: domain.KindQuota, Name: code}, n)
	if fault.Is(err, fault.NotFound) {
		q, _ := domain.FindQuota(code)
		return q.Default, nil
	}
	return n.Value, err
}

// room refuses when have things are as many as a quota allows. word is EC2's
// code for it, "" elsewhere.
func room(tx store.Tx, sc domain.Scope, code, word string, have int) error {
	limit, err := quota(tx, sc, code)
	if err != nil || have < limit {
		return err
	}
	q, _ := domain.FindQuota(code)
	return fault.New(fault.Quota, "The limit is reached: %s: %d of %d in %s.", q.Name, have, limit, sc.Region).
		WithHint("Remove what is not needed, or raise it: slipway quota set %s.", code).WithCode(word)
}

// roomFor counts resources of a kind in a scope against a quota.
func roomFor(tx store.Tx, sc domain.Scope, k domain.Kind, code, word string) error {
	have, err := tx.Count(store.Query{Kind: k, Account: sc.Account, Region: sc.Region})
	if err != nil {
		return err
	}
	return room(tx, sc, code, word, have)
}
