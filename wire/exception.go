package wire

import (
	"fmt"

	"slipway/wire/shape"
)

// Exception is an answer that is not a success. It implements error, so
// handlers may return one; Config.Explain turns every other error into one.
type Exception struct {
	// Code is the name of the exception's shape ("NoSuchEntityException"), or
	// of a common error that no model lists ("AccessDeniedException").
	Code    string
	Message string
	// Status overrides the modelled HTTP status when it is not 0.
	Status int
	// Fields are further members of the shape, keyed by member name.
	Fields map[string]any
}

func (e *Exception) Error() string { return e.Code + ": " + e.Message }

// Exceptionf makes an exception with a formatted message.
func Exceptionf(code, format string, args ...any) *Exception {
	return &Exception{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Shape is the exception's shape in service s, or nil when the model has none.
func (e *Exception) Shape(s *Service) *shape.Shape {
	if s == nil {
		return nil
	}
	if sh := s.Shape(e.Code); sh != nil && sh.IsError() {
		return sh
	}
	return nil
}

// HTTPStatus is the status the exception calls for: its own, the modelled one,
// that of the common error of this name, or 400.
func (e *Exception) HTTPStatus(s *Service) int {
	if e.Status != 0 {
		return e.Status
	}
	if sh := e.Shape(s); sh != nil {
		switch {
		case sh.Error.Status != 0:
			return sh.Error.Status
		case sh.Error.Fault:
			return 500
		}
	}
	if st, ok := commonErrors[e.Code]; ok {
		return st
	}
	return 400
}

// WireCode is the word that names the exception in service s.
func (e *Exception) WireCode(s *Service) string {
	if sh := e.Shape(s); sh != nil {
		return sh.Code()
	}
	return e.Code
}

// unmodelled is the shape of errors no model lists.
var (
	messageShape = shape.Shape{Name: "String", Kind: shape.String}
	unmodelled   = shape.Shape{Name: "CommonError", Kind: shape.Structure,
		Members: []shape.Member{{Name: "message", Wire: "message", Shape: &messageShape}},
		Error:   &shape.ErrorTrait{}}
)

// Document is the exception as a tree and the shape of that tree: the modelled
// one, or a structure with a single "message". The few exceptions that are
// modelled without any text get the latter, too: clients read it all the same.
func (e *Exception) Document(s *Service) (map[string]any, *shape.Shape) {
	sh := e.Shape(s)
	if sh == nil || (len(sh.Members) == 0 && e.Message != "") {
		sh = &unmodelled
	}
	tree := map[string]any{}
	for k, v := range e.Fields {
		if sh.Member(k) != nil {
			tree[k] = v
		}
	}
	if e.Message != "" && sh.Member(sh.MessageMember()) != nil {
		tree[sh.MessageMember()] = e.Message
	}
	return tree, sh
}
