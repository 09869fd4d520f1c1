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
