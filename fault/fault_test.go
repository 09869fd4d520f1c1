package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestWrappedErrorsAreFound(t *testing.T) {
	e := Wrap(NotFound, errors.New("row 7 of /secret/db"), "The image %s does not exist.", "a").WithHint("List them.")
	err := fmt.Errorf("outer: %w", e)
	if KindOf(err) != NotFound || !Is(err, NotFound) {
		t.Fatalf("kind of a wrapped error: %v", KindOf(err))
	}
	if got := Public(err); got != "The image a does not exist. List them." {
		t.Fatalf("public: %q", got)
	}
	if strings.Contains(Public(err), "secret") || !strings.Contains(err.Error(), "secret") {
		t.Fatal("the private side must be in the log text and only there")
	}
}

// TestWordsOfStrangersDoNothing: what a guest puts into an error reaches people
// as words, not as orders to their terminal.
func TestWordsOfStrangersDoNothing(t *testing.T) {
	for said, want := range map[string]string{
		"plain\tand\nlines": "plain\tand\nlines", "Grüße, 世界": "Grüße, 世界",
		"\x1b]0;owned\x07\x1b[2Jgone": "]0;owned[2Jgone", "\u009b31mred": "31mred", "back\rover\b\x7f\x00": "backover",
		"exe.\u202efdp": "exe.fdp", "a\u2066b\u2069\u200fc": "abc", "bad\xff\xfebytes": "badbytes",
	} {
		err := New(NotAvailable, "%s", said)
		if got := Public(err); got != want {
			t.Errorf("%q: %q", said, got)
		}
		if got := Public(err.WithHint("%s", said)); got != want+" "+want {
			t.Errorf("%q as a hint: %q", said, got)
		}
	}
}

func TestForeignErrorsAreInternal(t *testing.T) {
	if KindOf(errors.New("x")) != Internal || strings.Contains(Public(errors.New("path /x")), "/x") {
		t.Fatal("a foreign error must be internal and say nothing")
	}
}

func TestEveryKindHasAName(t *testing.T) {
	for _, k := range Kinds() {
		if strings.HasPrefix(k.String(), "kind-") {
			t.Errorf("kind %d has no name", k)
		}
	}
}
