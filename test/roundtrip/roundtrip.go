// Package roundtrip proves that nothing gets lost on the wire: real clients
// send every operation with every member set to a real wire server, which
// answers with every member set and then with every modelled error.
//
// What lives here needs no client's types, only reflection; the modules below
// (old, new) pin one release of the clients each. What operations do is not
// tested here: the handlers only echo.
package roundtrip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/wire"
	"slipway/wire/protocols"
	"slipway/wire/shape"
	"slipway/wire/wiretest"
)

// What the clients sign with.
const (
	AccessKey = "AKIDROUNDTRIP"
	Secret    = "not-much-of-a-secret"
	Region    = "eu-central-1"
)

// Want is what a test expects of one client and one service: the numbers are
// those of the release that the module pins.
type Want struct {
	Service  *wire.Service
	Protocol wire.Protocol
	// Client makes the client for an endpoint.
	Client func(endpoint string) any
	// Unions lists the types that the client has for the members of unions.
	Unions []any
	// Operations is how many the client has. UnknownOperations and
	// UnknownMembers are those of the model it was made before.
	Operations, UnknownOperations, UnknownMembers int
}

// Run sends everything and compares.
func Run(t *testing.T, want Want) {
	e := newEcho(want.Service)
	srv := httptest.NewServer(e.handler())
	defer srv.Close()
	p := &proof{t: t, echo: e, want: want, client: reflect.ValueOf(want.Client(srv.URL)), unknown: map[string]bool{}}
	p.unions(want.Unions)
	count := map[string]int{}
	for _, op := range e.service.Ops {
		m := p.client.MethodByName(op.Name)
		if !m.IsValid() {
			count["unknown operations"]++
			continue
		}
		for variant := range variants(op) {
			p.success(op, m, variant)
			count["round trips"]++
		}
		for _, name := range op.Errors {
			p.failure(op, m, name)
			count["errors"]++
		}
		count["operations"]++
	}
	for i := range p.client.NumMethod() {
		name := p.client.Type().Method(i).Name
		if name != "Options" && want.Service.Op(name) == nil {
			t.Errorf("the client's operation %s is not in our model", name)
		}
	}
	t.Logf("%s over %s: %d operations, %d round trips of inputs and outputs, %d errors, %d members and %d enum values compared; unknown to the client: %d operations, %d members %v",
		want.Service.Name, want.Protocol, count["operations"], count["round trips"], count["errors"], p.compared, len(p.enums),
		count["unknown operations"], len(p.unknown), slices.Sorted(maps.Keys(p.unknown)))
	if count["operations"] != want.Operations || count["unknown operations"] != want.UnknownOperations || len(p.unknown) != want.UnknownMembers {
		t.Errorf("%d operations (%d unknown) and %d unknown members, not %d (%d) and %d", count["operations"], count["unknown operations"],
			len(p.unknown), want.Operations, want.UnknownOperations, want.UnknownMembers)
	}
}

// variants is how often an operation is sent so that every member of its
// unions has been the one that is set.
func variants(op *wire.Op) int {
	n := 1
	seen := map[*shape.Shape]bool{}
	var visit func(s *shape.Shape)
	visit = func(s *shape.Shape) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		if s.Union {
			n = max(n, len(s.Members))
		}
		visit(s.Elem)
		for i := range s.Members {
			visit(s.Members[i].Shape)
		}
	}
	visit(op.Input)
	visit(op.Output)
	return n
}

type proof struct {
	t        *testing.T
	echo     *echo
	want     Want
	client   reflect.Value
	members  map[reflect.Type][]reflect.Type // union interface -> types of its members
	unknown  map[string]bool                 // members the client does not have
	enums    map[string]bool                 // enum values it has
	compared int                             // leaves
}

// call has the client send an operation.
func (p *proof) call(m reflect.Value, in reflect.Value) (reflect.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

func (p *proof) success(op *wire.Op, m reflect.Value, variant int) {
	p.t.Helper()
	in := reflect.New(m.Type().In(1).Elem())
	f := &filler{proof: p, variant: variant}
	f.fill(in.Elem())
	sent, ok := p.tree(in, op.Input, op.Name+" input").(map[string]any)
	if !ok {
		p.t.Errorf("%s: the input is no structure", op.Name)
		return
	}
	answer := wiretest.Variant(op.Output, variant)
	p.echo.answer(answer, nil)
	out, err := p.call(m, in)
	if err != nil {
		p.t.Errorf("%s: %v", op.Name, err)
		return
	}
	call := p.echo.take()
	if call == nil || call.Op != op || call.Protocol != p.want.Protocol {
		p.t.Errorf("%s arrived as %+v", op.Name, call)
		return
	}
	arrived, err := shape.Tree(call.Input, op.Input)
	if err != nil {
		p.t.Errorf("%s: %v", op.Name, err)
		return
	}
	p.equal(op.Name+" input", arrived, sent)
	p.equal(op.Name+" output", p.tree(out, op.Output, op.Name+" output"), p.known(answer, op.Output, out.Type()))
}

// coded is what every typed exception of the clients is.
type coded interface {
	error
	ErrorCode() string
	ErrorMessage() string
}

func (p *proof) failure(op *wire.Op, m reflect.Value, name string) {
	p.t.Helper()
	sh := op.Service.Shape(name)
	tree := wiretest.Tree(sh)
	text := fmt.Sprintf("%s went wrong: %s.", op.Name, name)
	if sh.Member(sh.MessageMember()) != nil {
		tree[sh.MessageMember()] = text
	}
	p.echo.answer(nil, &wire.Exception{Code: name, Message: text, Fields: tree})
	in := reflect.New(m.Type().In(1).Elem())
	(&filler{proof: p}).fill(in.Elem())
	_, err := p.call(m, in)
	p.echo.take()
	var c coded
	if !errors.As(err, &c) {
		p.t.Errorf("%s: %s came back as %v", op.Name, name, err)
		return
	}
	v := reflect.ValueOf(c)
	typ := v.Type().Elem()
	if typ.Name() != name || !strings.HasSuffix(typ.PkgPath(), "/service/"+op.Service.Name+"/types") {
		p.t.Errorf("%s: %s came back as %T: %v", op.Name, name, c, err)
		return
	}
	if c.ErrorCode() != name || len(sh.Members) > 0 && sh.Member(sh.MessageMember()) != nil && c.ErrorMessage() != text {
		p.t.Errorf("%s: %s came back as %q, %q", op.Name, name, c.ErrorCode(), c.ErrorMessage())
	}
	p.equal(op.Name+" "+name, p.tree(v, sh, name), p.known(tree, sh, v.Type()))
}

// echo is the server's side: it keeps what arrives and answers what it is told.
type echo struct {
	service *wire.Service
	mu      sync.Mutex
	call    *wire.Call
	tree    map[string]any
	err     *wire.Exception
}

func newEcho(s *wire.Service) *echo { return &echo{service: unconstrained(s)} }

func (e *echo) answer(tree map[string]any, ex *wire.Exception) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tree, e.err = tree, ex
}

func (e *echo) take() *wire.Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.call
	e.call = nil
	return c
}

func (e *echo) handle(_ context.Context, c *wire.Call) (any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.call = c
	if e.err != nil {
		return nil, e.err
	}
	out := c.Op.NewOutput()
	return out, shape.Bind(e.tree, c.Op.Output, out)
}

func (e *echo) handler() http.Handler {
	handlers := map[*wire.Op]wire.Handler{}
	for _, op := range e.service.Ops {
		handlers[op] = e.handle
	}
	services := []*wire.Service{e.service}
	return wire.NewServer(wire.Config{
		Services: services, Handlers: handlers, Codecs: protocols.Codecs(), Verifier: protocols.Verifier(time.Now, services),
		Keys: func(_ context.Context, id string) (wire.Secret, error) {
			if id != AccessKey {
				return wire.Secret{}, wire.ErrUnknownKey
			}
			return wire.Secret{Key: Secret, Identity: wire.Identity{AccessKeyID: id, Account: "123456789012"}}, nil
		},
		Now: time.Now, NewRequestID: func() string { return "00000000-0000-4000-8000-000000000000" },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}
