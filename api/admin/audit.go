package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/api/audit"
	"slipway/fault"
	"slipway/wire"
)

// Auditor is a Source that keeps an audit log.
type Auditor interface {
	// Audit returns CloudTrail records of the caller's account, newest first.
	Audit(ctx context.Context, q audit.Query) ([]json.RawMessage, error)
	// Record writes one down.
	Record(r audit.Record)
}

// Record implements Auditor.
func (o Operator) Record(r audit.Record) {
	if o.Trail != nil {
		o.Trail.Add(r)
	}
}

// saidMost is how much of a request's body is written down.
const saidMost = 8 << 10

// said keeps what is read of a request's body, up to saidMost bytes.
type said struct{ bytes.Buffer }

func (s *said) Write(p []byte) (int, error) {
	s.Buffer.Write(p[:min(len(p), saidMost-s.Len())])
	return len(p), nil
}

// record writes a request down that changed something, or was refused: with what it
// said, never with its answer, which may have a secret.
func (h *handler) record(r *http.Request, action string, s *said, err error) {
	a, ok := h.src.(Auditor)
	id, signed := wire.IdentityFrom(r.Context())
	if !ok || !signed || r.Method == http.MethodGet && err == nil {
		return
	}
	asked := map[string]any{"path": r.URL.Path}
	var body any
	if json.Unmarshal(s.Bytes(), &body) == nil {
		asked["body"] = body
	}
	rec := audit.Record{
		EventVersion: audit.Version, EventSource: audit.AdminSource, EventName: action, AWSRegion: wire.RegionFrom(r.Context()),
		SourceIPAddress: wire.Source(r.RemoteAddr), UserAgent: r.UserAgent(), RequestParameters: asked, RequestID: wire.RequestIDFrom(r.Context()), ReadOnly: r.Method == http.MethodGet,
		EventType: audit.FromAdmin, ManagementEvent: true, RecipientAccountID: id.Account, EventCategory: "Management", UserIdentity: audit.WhoOf(id),
	}
	if err != nil {
		rec.ErrorCode, rec.ErrorMessage = fault.KindOf(err).String(), fault.Public(err)
	}
	a.Record(rec)
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
