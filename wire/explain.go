package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/wire/shape"
)

const (
	internalFailure  = "InternalFailure"
	internalText     = "The request processing has failed because of an unknown error, exception or failure."
	notImplemented   = "NotImplementedException"
	unknownOperation = "UnknownOperationException"
)

// internal logs a fault of ours and gives the answer that tells nothing of it.
func (s *server) internal(ctx context.Context, op *Op, err error) *Exception {
	name := ""
	if op != nil {
		name = op.Service.Name + "." + op.Name
	}
	s.cfg.Log.Error("internal failure", "request", RequestIDFrom(ctx), "operation", name, "err", err)
	return &Exception{Code: internalFailure, Message: internalText}
}

// explain is the funnel: whatever went wrong in an operation becomes an
// exception here, and admit decides whether it may leave.
func (x *exchange) explain(err error) *Exception {
	var ex *Exception
	if errors.As(err, &ex) {
		return ex
	}
	if x.s.cfg.Explain != nil {
		if ex := x.s.cfg.Explain(x.req.Op, err); ex != nil {
			return ex
		}
	}
	var ve *shape.ValidationError
	if errors.As(err, &ve) {
		return refusal(x.req.Op.Service, ve)
	}
	return x.s.internal(x.req.HTTP.Context(), x.req.Op, err)
}

// admit lets out an exception that the operation models or that is common, and
// replaces any other one. EC2 models no exceptions: its codes are free.
func (x *exchange) admit(ex *Exception) *Exception {
	op := x.req.Op
	if op == nil || op.Allows(ex.Code) || IsCommon(ex.Code) || op.Service.Speaks(EC2Query) {
		return ex
	}
	return x.s.internal(x.req.HTTP.Context(), op, fmt.Errorf("%s does not model the exception: %w", op.Name, ex))
}

// refusal is the answer to broken constraints. EC2 names the first one in its
// own words; everyone else lists them all.
func refusal(s *Service, ve *shape.ValidationError) *Exception {
	if !s.Speaks(EC2Query) {
		return &Exception{Code: "ValidationException", Message: ve.Error()}
	}
	v := ve.Violations[0]
	for _, other := range ve.Violations {
		if other.Rule == shape.NotNull && v.Rule != shape.NotNull {
			v = other // what is missing is said before what is wrong
		}
	}
	name := strings.ToUpper(v.Wire[:1]) + v.Wire[1:]
	switch {
	case v.Rule == shape.NotNull:
		return Exceptionf("MissingParameter", "The request must contain the parameter %s", name)
	case v.Hidden:
		return Exceptionf("InvalidParameterValue", "The value for parameter %s is invalid. It must %s.", name, v.Must)
	case v.Rule == shape.EnumSet && len(v.Must) > 512:
		return Exceptionf("InvalidParameterValue", "Invalid value '%s' for %s.", v.Value, name)
	}
	return Exceptionf("InvalidParameterValue", "Value (%s) for parameter %s is invalid. It must %s.", v.Value, name, v.Must)
}
