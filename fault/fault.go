// Package fault is the one error type of the project: what a caller can do
// about it (Kind), what may be told to them (Public, Hint) and what stays in
// our logs (Err).
//
// It is a leaf: every room may import it and it imports nothing of ours. No
// AWS exception name lives here; api/ translates a Kind to the wire.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what the caller can do about an error.
type Kind uint8

const (
	// Internal is a bug or a broken machine; the zero value, so that an
	// unclassified error is never blamed on the caller.
	Internal       Kind = iota
	BadValue            // a value is out of bounds
	BadCombination      // values exclude each other
	NotFound            // the named thing does not exist
	Exists              // the name is taken
	InUse               // others depend on it
	WrongState          // the state table refused
	NotAvailable        // it exists but is not ready to be used
	Busy                // lost a race; the same call may work later
	Quota               // an account limit is reached
	Incompatible        // the image cannot work here
	BadRole             // an IAM role is missing, untrusting or powerless
	Denied              // the caller may not
	Unavailable         // capacity or a host is missing
	Unsupported         // we do not do this
	DryRun              // nothing is wrong: the request would have succeeded
	Canceled            // somebody asked for it to stop
)

var kindNames = [...]string{"internal", "bad-value", "bad-combination", "not-found", "exists", "in-use",
	"wrong-state", "not-available", "busy", "quota", "incompatible", "bad-role", "denied", "unavailable",
	"unsupported", "dry-run", "canceled"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Kinds lists every kind, for tests that walk all of them.
func Kinds() []Kind {
	ks := make([]Kind, len(kindNames))
	for i := range ks {
		ks[i] = Kind(i)
	}
	return ks
}

// Error carries both sides of a failure. The private side (Err) is printed by
// Error() for logs only; what may leave the process is reached through Public.
type Error struct {
	Kind   Kind
	Public string // a sentence that is safe to send
	Hint   string // what a person can do about it; safe to send; may be empty
	Code   string // a stable word for programs where a protocol needs one finer than Kind; may be empty
	Err    error  // private cause
}

func (e *Error) Error() string {
	s := e.Kind.String() + ": " + e.Public
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// New makes an error whose text is public.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...)}
}

// Wrap makes an error with a public text around a private cause.
func Wrap(k Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: k, Public: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns the error with the remedy set.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCode returns the error with the stable code set.
func (e *Error) WithCode(code string) *Error {
	c := *e
	c.Code = code
	return &c
}

// KindOf finds the kind of any error; an error that is not ours is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is tells whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Public is what may be sent about any error: the sentence and the hint of the
// outermost *Error, or a fixed sentence for everything else.
func Public(err error) string {
	var e *Error
	if !errors.As(err, &e) || e.Public == "" {
		return "An internal error occurred."
	}
	if e.Hint != "" {
		return Plain(e.Public + " " + e.Hint)
	}
	return Plain(e.Public)
}

// Plain takes out of a text what would do something to a terminal or hide a part
// of it: control characters but line ends and tabs, marks that change the
// direction of writing, and bytes that are no text. Words in errors may be a
// guest's or a stranger's.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
}
