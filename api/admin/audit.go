package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/api/audit"
	"slipway/fault"
)

// Auditor is a Source that keeps an audit log.
type Auditor interface {
	// Audit returns CloudTrail records of the caller's account, newest first.
	Audit(ctx context.Context, q audit.Query) ([]json.RawMessage, error)
}

// Audit implements Auditor.
func (o Operator) Audit(ctx context.Context, q audit.Query) ([]json.RawMessage, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	q.Account = c.Account
	return o.Trail.Search(ctx, q)
}

func (h *handler) audit(r *http.Request) (any, error) {
	a, ok := h.src.(Auditor)
	if !ok {
		return nil, fault.New(fault.NotFound, "This server keeps no audit log.")
	}
	v := r.URL.Query()
	q := audit.Query{Event: v.Get("event"), User: v.Get("user"), Errors: v.Get("errors") == "1", Limit: defaultLimit}
	if s := v.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxLimit {
			return nil, fault.New(fault.BadValue, "limit is %q: it must be a number from 1 to %d.", s, maxLimit)
		}
		q.Limit = n
	}
	if s := v.Get("since"); s != "" {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, fault.New(fault.BadValue, "since is %q: it must be a time such as 2006-01-02T15:04:05Z.", s)
		}
		q.Since = at
	}
	records, err := a.Audit(r.Context(), q)
	return adminapi.Audit{Records: list(records)}, err
}
