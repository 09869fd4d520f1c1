package iam

import (
	"strings"
	"unicode/utf8"
)

// text is a string of a policy that may have policy variables in it:
// ${aws:username}, ${aws:PrincipalTag/team, 'none'} with a default, and ${*},
// ${?} and ${$} for the characters themselves.
//
// Source: AWS IAM User Guide, "IAM policy elements: Variables and tags".
type text struct {
	plain  string // as it was written; all of it where there are no pieces
	pieces []piece
}

// piece is some text, or a variable.
type piece struct {
	plain    string
	key      string // lower case; "" for text
	fallback *string
}

// What a variable stands for is taken literally: in patterns, these runes stand
// for characters that would mean something there. They are no characters, and
// policies may not have them.
const (
	literalStar     = '\U0010FFFD'
	literalQuestion = '\U0010FFFE'
	literalColon    = '\U0010FFFF'
)

var literals = strings.NewReplacer("*", string(literalStar), "?", string(literalQuestion), ":", string(literalColon))

// readText takes a string apart. Errors are plain sentences.
func readText(s string) (text, error) {
	t := text{plain: s}
	if strings.ContainsAny(s, string(literalStar)+string(literalQuestion)+string(literalColon)) || !utf8.ValidString(s) {
		return t, sentence("a value has characters that do not exist")
	}
	if !strings.Contains(s, "${") {
		return t, nil
	}
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		if before != "" {
			t.pieces = append(t.pieces, piece{plain: before})
		}
		if !found {
			break
		}
		p, after, err := readVariable(rest)
		if err != nil {
			return t, err
		}
		t.pieces = append(t.pieces, p)
		s = after
	}
	return t, nil
}

// readVariable reads what follows "${".
func readVariable(s string) (p piece, rest string, err error) {
	name, rest, ok := strings.Cut(s, "}")
	if name, after, quoted := strings.Cut(s, "'"); quoted && !strings.Contains(name, "}") {
		// A default may have a brace in it.
		value, end, closed := strings.Cut(after, "'")
		key, isDefault := strings.CutSuffix(strings.TrimSpace(name), ",")
		end = strings.TrimLeft(end, " ")
		if !closed || !isDefault || !strings.HasPrefix(end, "}") {
			return p, "", sentence("the default of a policy variable is not of the form ${key, 'value'}")
		}
		p.fallback = &value
		return p.named(key, end[1:])
	}
	if !ok {
		return p, "", sentence("a policy variable has no closing brace")
	}
	switch name {
	case "*", "?", "$":
		return piece{plain: literals.Replace(name)}, rest, nil
	}
	return p.named(name, rest)
}

func (p piece) named(key, rest string) (piece, string, error) {
	p.key = strings.ToLower(strings.TrimSpace(key))
	if p.key == "" || strings.ContainsAny(p.key, "${}*?'\",\t\n") {
		return p, "", sentence("'%s' is not the name of a policy variable", clip(key))
	}
	return p, rest, nil
}

// pattern is the text with its variables filled in, for glob; false when one of
// them has no value, or several.
func (t text) pattern(ctx map[string][]string) (string, bool) {
	if t.pieces == nil {
		return t.plain, true
	}
	var out strings.Builder
	for _, p := range t.pieces {
		switch have := ctx[p.key]; {
		case p.key == "":
			out.WriteString(p.plain)
		case len(have) == 1:
			// The request's own text: a rune of ours in it would count as a character.
			out.WriteString(literals.Replace(strings.Map(existing, have[0])))
		case len(have) == 0 && p.fallback != nil:
			out.WriteString(literals.Replace(*p.fallback))
		default:
			return "", false
		}
	}
	return out.String(), true
}

// existing puts the character for what is none in the place of our runes.
func existing(r rune) rune {
	if r == literalStar || r == literalQuestion || r == literalColon {
		return utf8.RuneError
	}
	return r
}

// value is pattern for comparisons that know no wildcards.
func (t text) value(ctx map[string][]string) (string, bool) {
	if t.pieces == nil {
		return t.plain, true
	}
	s, ok := t.pattern(ctx)
	return plainOf.Replace(s), ok
}

var plainOf = strings.NewReplacer(string(literalStar), "*", string(literalQuestion), "?", string(literalColon), ":")

// sample is a text as the shape of values is checked: variables stand for
// something without colons.
func (t text) sample() string {
	if t.pieces == nil {
		return t.plain
	}
	out := ""
	for _, p := range t.pieces {
		if out += p.plain; p.key != "" {
			out += "x"
		}
	}
	return out
}

// asks tells whether a variable's key begins with a prefix.
func (t text) asks(prefix string) bool {
	for _, p := range t.pieces {
		if p.key != "" && strings.HasPrefix(p.key, prefix) {
			return true
		}
	}
	return false
}
