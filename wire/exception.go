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
