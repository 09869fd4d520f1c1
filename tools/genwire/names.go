package main

import (
	"fmt"
	"strings"
	"unicode"
)

// goName is the exported Go spelling of a model name.
func goName(s string) string {
	return strings.ToUpper(s[:1]) + s[1:]
}

// camel spells an enum value as part of a constant's name: "SINGLE_SESSION"
// is SingleSession, "m5.2xlarge" is M52xlarge.
func camel(v string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(v, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if strings.ToUpper(word) == word {
			word = strings.ToLower(word)
		}
		b.WriteString(goName(word))
	}
	if b.Len() == 0 {
		return "Empty"
	}
	return b.String()
}

// taken hands out every identifier of a package once.
type taken map[string]bool

// must claims a name that may not be altered.
func (t taken) must(name string) error {
	if t[name] {
		return fmt.Errorf("two declarations want the name %s", name)
	}
	t[name] = true
	return nil
}

// free claims name, or name_2, name_3, …: no other rule makes names with an
// underscore, so the result cannot clash.
func (t taken) free(name string) string {
	got := name
	for n := 2; t[got]; n++ {
		got = fmt.Sprintf("%s_%d", name, n)
	}
	t[got] = true
	return got
}
