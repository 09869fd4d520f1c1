package api_test

import (
	"errors"
	"fmt"
	"testing"

	"slipway/api"
	"slipway/api/appstream"
	"slipway/api/throttle"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
)

// TestEveryErrorMayLeave walks operations × kinds: no error of ours may be one
// that the operation's model, or the common list, does not have.
func TestEveryErrorMayLeave(t *testing.T) {
	pairs := 0
	for _, svc := range api.Services() {
		for _, op := range svc.Ops {
			for _, k := range fault.Kinds() {
				pairs++
				ex := api.Explain(op, fmt.Errorf("wrapped: %w", fault.New(k, "A sentence.")))
				if ex == nil {
					continue // InternalFailure, which any operation may answer
				}
				if !op.Allows(ex.Code) && !wire.IsCommon(ex.Code) && !svc.Speaks(wire.EC2Query) {
					t.Errorf("%s.%s: %v becomes %s, which it does not model", svc.Name, op.Name, k, ex.Code)
				}
			}
		}
	}
	t.Logf("%d pairs of operation and kind", pairs)
}

// TestCallersFaultsAreNotOurs: whatever the caller did wrong in AppStream is
// told as such and never as a failure of the server, which clients retry.
func TestCallersFaultsAreNotOurs(t *testing.T) {
	for _, svc := range api.Services() {
		if svc.Name != "appstream" {
			continue
		}
		for _, op := range svc.Ops {
			for _, k := range fault.Kinds() {
				if k != fault.Internal && appstream.Errors.Code(op, k) == "" {
					t.Errorf("%s: nothing to say for %v", op.Name, k)
				}
			}
		}
	}
}

func TestPrivateSideStays(t *testing.T) {
	op := api.Services()[0].Op("DescribeImages")
	if ex := api.Explain(op, errors.New("secret")); ex != nil {
		t.Errorf("a foreign error was explained: %v", ex)
	}
	ex := api.Explain(op, fault.Wrap(fault.NotFound, errors.New("secret"), "The image a does not exist."))
	if ex == nil || ex.Message != "The image a does not exist." {
		t.Errorf("got %+v", ex)
	}
}

func TestHandlersAreOfServedOperations(t *testing.T) {
	n := 0
	for op := range api.Handlers(&service.Service{}, throttle.New(throttle.Default)) {
		if op.Service.Op(op.Name) != op {
			t.Errorf("%s is not a row of its service", op.Name)
		}
		n++
	}
	if n < 20 {
		t.Errorf("only %d operations are built", n)
	}
}
