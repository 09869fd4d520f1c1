// Package admin serves Slipway's own admin API, /_slipway/v1: machines, jobs
// and images as the operator sees them.
//
// It translates HTTP to a Source and errors to answers, nothing else: who calls
// was found out before a request gets here (the caller is in the context that
// the Source reads), and who may, and what is true, is the Source's business.
package admin

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"slipway/api/admin/adminapi"
	"slipway/fault"
)

// Source answers the questions of the admin API. Its errors are *fault.Error;
// NotFound for a name that does not exist. All methods may be called at once.
type Source interface {
	Identities
	Builders
	Fleets
	Machines(ctx context.Context) ([]adminapi.Machine, error)
	// Jobs lists the newest jobs first, limit of them at most; active leaves
	// out those that have ended.
	Jobs(ctx context.Context, limit int, active bool) ([]adminapi.Job, error)
	Job(ctx context.Context, id string) (adminapi.Job, error)
	// CancelJob asks a job to stop and returns it; asking twice is harmless,
	// and an ended job is WrongState.
	CancelJob(ctx context.Context, id, why string) (adminapi.Job, error)
	Images(ctx context.Context) ([]adminapi.Image, error)
	Image(ctx context.Context, name string) (adminapi.Image, error)
}

const (
	defaultLimit = 50
	maxLimit     = 1000
	maxBody      = 64 << 10
)

// Handler serves the admin API from src. Paths include adminapi.Prefix. Errors
// that are bugs or broken machines go to log with their private side.
func Handler(src Source, log *slog.Logger) http.Handler {
	h := &handler{src: src, log: log}
	mux := http.NewServeMux()
	// Each route says which action a policy has to allow.
	route := func(method, path, action string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(method+" "+adminapi.Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			s := new(said)
			r.Body = io.NopCloser(io.TeeReader(r.Body, s))
			var v any
			err := src.May(r.Context(), "slipway:"+action)
			if err == nil {
				v, err = f(r)
			}
			h.record(r, action, s, err)
			h.answer(w, r, v, err)
		})
	}
	route("GET", "/machines", "ListMachines", h.machines)
	route("GET", "/jobs", "ListJobs", h.jobs)
	route("GET", "/jobs/{id}", "GetJob", h.job)
	route("POST", "/jobs/{id}/cancel", "CancelJob", h.cancel)
	route("GET", "/images", "ListImages", h.images)
	route("GET", "/images/{name}", "GetImage", h.image)
	route("GET", "/amis/{id}/inspection", "GetInspection", h.inspection)
	route("GET", "/image-builders", "ListImageBuilders", h.builders)
	route("GET", "/image-builders/{name}", "GetImageBuilder", h.builder)
	route("POST", "/image-builders/{name}/images", "CreateImage", h.newImage)
	route("GET", "/fleets", "ListFleets", h.fleets)
	route("GET", "/fleets/{name}", "GetFleet", h.fleet)
	route("GET", "/sessions", "ListSessions", h.sessions)
	route("GET", "/audit", "ReadAudit", h.audit)
	route("GET", "/quotas", "ListQuotas", h.quotas)
	route("POST", "/quotas", "SetQuota", h.setQuota)
	route("POST", "/public-images", "PublishImage", h.publish)
	route("DELETE", "/public-images/{name}", "WithdrawImage", h.withdraw)
	route("GET", "/accounts", "ListAccounts", h.accounts)
	route("POST", "/accounts", "CreateAccount", h.createAccount)
	route("GET", "/keys", "ListKeys", h.keys)
	route("POST", "/keys", "CreateKey", h.createKey)
	route("POST", "/keys/{id}/rotate", "RotateKey", h.rotateKey)
	route("POST", "/keys/{id}/disable", "DisableKey", h.disableKey)
	diskRoutes(h, route)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.answer(w, r, nil, fault.New(fault.NotFound, "The admin API has no %s %s.", r.Method, r.URL.Path))
	})
	return mux
}

type handler struct {
	src Source
	log *slog.Logger
}

// list keeps an empty list from being told as null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func (h *handler) machines(r *http.Request) (any, error) {
	m, err := h.src.Machines(r.Context())
	return adminapi.Machines{Machines: list(m)}, err
}

func (h *handler) jobs(r *http.Request) (any, error) {
	limit := defaultLimit
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxLimit {
			return nil, fault.New(fault.BadValue, "limit is %q: it must be a number from 1 to %d.", s, maxLimit)
		}
		limit = n
	}
	active := false
	switch s := r.URL.Query().Get("active"); s {
	case "", "0":
	case "1":
		active = true
	default:
		return nil, fault.New(fault.BadValue, "active is %q: it must be 0 or 1.", s)
	}
	j, err := h.src.Jobs(r.Context(), limit, active)
	return adminapi.Jobs{Jobs: list(j)}, err
}

func (h *handler) job(r *http.Request) (any, error) {
	return h.src.Job(r.Context(), r.PathValue("id"))
}

func (h *handler) cancel(r *http.Request) (any, error) {
	var q adminapi.CancelRequest
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fault.Wrap(fault.BadValue, err, "The request's body could not be read.")
	}
	if len(b) > maxBody {
		return nil, fault.New(fault.BadValue, "The request's body is longer than %d bytes.", maxBody)
	}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &q); err != nil {
			return nil, fault.Wrap(fault.BadValue, err, "The request's body is not the JSON of a cancellation.")
		}
	}
	if q.Why == "" {
		q.Why = "asked for through the admin API"
	}
	return h.src.CancelJob(r.Context(), r.PathValue("id"), q.Why)
}

func (h *handler) images(r *http.Request) (any, error) {
	i, err := h.src.Images(r.Context())
	return adminapi.Images{Images: list(i)}, err
}

func (h *handler) image(r *http.Request) (any, error) {
	return h.src.Image(r.Context(), r.PathValue("name"))
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	status := http.StatusOK
	if err != nil {
		kind := fault.KindOf(err)
		status = statusOf(kind)
		if status == http.StatusInternalServerError {
			h.log.Error("admin API", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		v = adminapi.Failure{Error: adminapi.ErrorBody{Kind: kind.String(), Message: fault.Public(err)}}
	}
	b, err := json.Marshal(v)
	if err != nil {
		h.log.Error("admin API: answer", "path", r.URL.Path, "err", err)
		http.Error(w, `{"error":{"kind":"internal","message":"An internal error occurred."}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // a client that went away is no news
}

func statusOf(k fault.Kind) int {
	switch k {
	case fault.BadValue, fault.BadCombination, fault.Incompatible, fault.BadRole:
		return http.StatusBadRequest
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exists, fault.InUse, fault.WrongState, fault.NotAvailable, fault.Busy, fault.Canceled:
		return http.StatusConflict
	case fault.DryRun:
		return http.StatusPreconditionFailed
	case fault.Quota:
		return http.StatusTooManyRequests
	case fault.Unsupported:
		return http.StatusNotImplemented
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
