package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/api"
	"slipway/api/admin"
	"slipway/api/admin/adminapi"
	"slipway/api/audit"
	"slipway/domain"
	"slipway/service"
	"slipway/store/sqlite"
	"slipway/wire"
	"slipway/wire/protocols"
	"slipway/wire/sigv4"
)

// house is a server with the admin API alone, on a real store.
type house struct {
	t   *testing.T
	svc *service.Service
	url string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	st, err := sqlite.Open(t.TempDir(), sqlite.Options{Clock: domain.WallClock})
	if err != nil {
		t.Fatal(err)
	}
	svc := &service.Service{Store: st, IDs: domain.RandomIDs, Config: service.Config{Operator: "111111111111"}}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	trail, err := audit.Open(audit.Options{Dir: t.TempDir(), Now: time.Now, NewID: domain.RandomIDs.UUID, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(wire.NewServer(wire.Config{
		Verifier: protocols.Verifier(time.Now, api.Services()), Keys: api.Keys(svc), Now: time.Now, NewRequestID: domain.RandomIDs.UUID,
		Log: log, Own: admin.Handler(admin.Operator{Service: svc, Trail: trail}, log),
	}))
	t.Cleanup(func() { srv.Close(); st.Close(); trail.Close() })
	return &house{t, svc, srv.URL}
}

// call signs a request with a key and decodes the answer into out.
func (h *house) call(k adminapi.Key, method, path, body string, out any) (int, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+adminapi.Prefix+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	sigv4.Signer{AccessKeyID: k.ID, Secret: k.Secret, Region: "us-east-1", Service: adminapi.Service}.Sign(r, []byte(body), time.Now())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if out != nil && resp.StatusCode == 200 {
		if err := json.Unmarshal(b, out); err != nil {
			h.t.Fatal(err)
		}
	}
	return resp.StatusCode, string(b)
}

func (h *house) user(name, policy string) adminapi.Key {
	h.t.Helper()
	ctx := h.t.Context()
	root, err := h.svc.RootOf(ctx, "111111111111")
	if err != nil {
		h.t.Fatal(err)
	}
	u := domain.User{}
	u.Key.Name = name
	if _, err := h.svc.CreateUser(ctx, root, u); err != nil {
		h.t.Fatal(err)
	}
	if err := h.svc.PutInline(ctx, root, service.Holder{Kind: domain.KindUser, Name: name}, "p", policy); err != nil {
		h.t.Fatal(err)
	}
	k, err := h.svc.CreateAccessKey(ctx, root, name)
	if err != nil {
		h.t.Fatal(err)
	}
	return adminapi.Key{ID: k.Key.Name, Secret: k.Secret}
}

// first makes the first account.
func (h *house) first() (root adminapi.Key) {
	h.t.Helper()
	_, k, err := h.svc.CreateAccount(h.t.Context(), "111111111111", "first")
	if err != nil {
		h.t.Fatal(err)
	}
	return adminapi.Key{ID: k.Key.Name, Secret: k.Secret}
}

func TestAccountsAndKeys(t *testing.T) {
	h := newHouse(t)
	root := h.first()
	var made adminapi.NewAccount
	if code, body := h.call(root, "POST", "/accounts", `{"id":"222222222222","note":"second"}`, &made); code != 200 || made.Key.Secret == "" {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := h.call(root, "POST", "/accounts", `{"id":"222222222222"}`, nil); code != 409 || !strings.Contains(body, "exists") {
		t.Errorf("twice: %d %s", code, body)
	}
	var accounts adminapi.Accounts
	if code, body := h.call(root, "GET", "/accounts", "", &accounts); code != 200 || len(accounts.Accounts) != 2 || !accounts.Accounts[0].Operator || accounts.Accounts[1].Operator {
		t.Errorf("%d %s", code, body)
	}
	// The other account's root has no say in the server, but may see its own.
	for path, want := range map[string]int{"GET /accounts": 403, "POST /accounts": 403, "GET /jobs": 403, "POST /keys": 403, "GET /images": 200} {
		method, path, _ := strings.Cut(path, " ")
		if code, body := h.call(made.Key, method, path, "", nil); code != want {
			t.Errorf("%s %s: %d %s", method, path, code, body)
		}
	}
	var second, third adminapi.Key
	if code, body := h.call(root, "POST", "/keys", `{"account":"222222222222"}`, &second); code != 200 || second.Account != "222222222222" {
		t.Errorf("%d %s", code, body)
	}
	if code, body := h.call(root, "POST", "/keys/"+made.Key.ID+"/disable", "", nil); code != 200 || strings.Contains(body, `"secret"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := h.call(made.Key, "GET", "/images", "", nil); code != 403 {
		t.Errorf("a disabled key: %d", code)
	}
	if code, body := h.call(root, "POST", "/keys/"+second.ID+"/rotate", "", &third); code != 200 || third.Secret == "" {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := h.call(third, "GET", "/images", "", nil); code != 200 {
		t.Errorf("the rotated key: %d", code)
	}
	var keys adminapi.Keys
	if code, body := h.call(root, "GET", "/keys?account=222222222222", "", &keys); code != 200 || len(keys.Keys) != 2 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := h.call(root, "POST", "/keys/"+root.ID+"/disable", "", nil); code != 409 || !strings.Contains(body, "only enabled") {
		t.Errorf("the last key: %d %s", code, body)
	}
}

func TestPoliciesOfTheAdminAPI(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.svc.CreateAccount(t.Context(), "111111111111", ""); err != nil {
		t.Fatal(err)
	}
	allow := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
	}
	helper, reader, stranger := h.user("helper", allow("slipway:*")), h.user("reader", allow("slipway:List*")), h.user("stranger", allow("appstream:*"))
	for _, c := range []struct {
		who    adminapi.Key
		method string
		path   string
		code   int
	}{
		{helper, "GET", "/jobs", 200}, {helper, "POST", "/accounts", 200},
		{reader, "GET", "/jobs", 200}, {reader, "POST", "/accounts", 403},
		{stranger, "GET", "/jobs", 403}, {stranger, "GET", "/images", 403},
	} {
		if code, body := h.call(c.who, c.method, c.path, "", nil); code != c.code {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, body)
		}
	}
}

// TestRequestsAreWrittenDown: what changes something and what is refused is in the
// audit log, with what was asked for and without what was answered.
func TestRequestsAreWrittenDown(t *testing.T) {
	h := newHouse(t)
	root := h.first()
	var made adminapi.NewAccount
	h.call(root, "POST", "/accounts", `{"id":"222222222222","note":"second"}`, &made)
	h.call(root, "GET", "/accounts", "", nil)
	h.call(root, "POST", "/accounts", `{"id":"222222222222"}`, nil)
	h.call(root, "POST", "/accounts", `{"id":"`+strings.Repeat("2", 10_000)+`"}`, nil)
	h.call(made.Key, "GET", "/accounts", "", nil)
	var own, theirs adminapi.Audit
	_, all := h.call(root, "GET", "/audit", "", &own)
	if strings.Contains(all, made.Key.Secret) || len(all) > 10_000 {
		t.Errorf("an answer was written down, or a body as long as anybody likes: %s", all)
	}
	h.call(made.Key, "GET", "/audit", "", &theirs)
	var got []string
	for _, raw := range append(own.Records, theirs.Records...) {
		var r audit.Record
		if err := json.Unmarshal(raw, &r); err != nil || r.EventType != audit.FromAdmin || r.UserIdentity.Type != "Root" || r.SourceIPAddress != "127.0.0.1" || r.EventTime.IsZero() || r.RequestID == "" {
			t.Errorf("%s, %v", raw, err)
		}
		asked, _ := r.RequestParameters.(map[string]any)
		body, _ := asked["body"].(map[string]any)
		got = append(got, fmt.Sprint(r.EventName, " ", r.RecipientAccountID, " ", r.ErrorCode, " ", body["note"]))
	}
	want := []string{"CreateAccount 111111111111 bad-value <nil>", "CreateAccount 111111111111 exists <nil>", "CreateAccount 111111111111  second", "ListAccounts 222222222222 denied <nil>"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
