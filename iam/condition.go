package iam

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// condition is one operator over one key.
type condition struct {
	key      string // lower case: names of keys are not case-sensitive
	set      setOf
	ifExists bool
	null     bool // the Null operator, which asks about the key itself
	negated  bool
	values   []text
	wild     bool // values are patterns
	// match compares one value of the policy with one of the request.
	match func(policy, request string) bool
}

// setOf is the prefix that says how several values of a key count.
type setOf uint8

const (
	oneValue setOf = iota
	forAll
	forAny
)

// operator is a comparison: how its values must look, and what it does.
type operator struct {
	check   func(value string) bool
	match   func(policy, request string) bool
	negated bool
	// variables: values may have policy variables; wild: they are patterns.
	variables, wild bool
}

func always(string) bool { return true }

func compareNumbers(ok func(a, b float64) bool) func(policy, request string) bool {
	return func(policy, request string) bool {
		p, pok := number(policy)
		r, rok := number(request)
		return pok && rok && ok(r, p)
	}
}

func compareDates(ok func(a, b time.Time) bool) func(policy, request string) bool {
	return func(policy, request string) bool {
		p, pok := date(policy)
		r, rok := date(request)
		return pok && rok && ok(r, p)
	}
}

var (
	equals  = func(p, r string) bool { return p == r }
	numeric = func(v string) bool { _, ok := number(v); return ok }
	dated   = func(v string) bool { _, ok := date(v); return ok }
	truth   = func(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") }
	address = func(v string) bool { _, ok := prefix(v); return ok }
)

var operators = map[string]operator{
	"StringEquals":              {always, equals, false, true, false},
	"StringNotEquals":           {always, equals, true, true, false},
	"StringEqualsIgnoreCase":    {always, strings.EqualFold, false, true, false},
	"StringNotEqualsIgnoreCase": {always, strings.EqualFold, true, true, false},
	"StringLike":                {always, glob, false, true, true},
	"StringNotLike":             {always, glob, true, true, true},
	// The guide: ArnEquals and ArnLike behave alike.
	"ArnEquals":                {isARN, globARN, false, true, true},
	"ArnLike":                  {isARN, globARN, false, true, true},
	"ArnNotEquals":             {isARN, globARN, true, true, true},
	"ArnNotLike":               {isARN, globARN, true, true, true},
	"NumericEquals":            {numeric, compareNumbers(func(a, b float64) bool { return a == b }), false, false, false},
	"NumericNotEquals":         {numeric, compareNumbers(func(a, b float64) bool { return a == b }), true, false, false},
	"NumericLessThan":          {numeric, compareNumbers(func(a, b float64) bool { return a < b }), false, false, false},
	"NumericLessThanEquals":    {numeric, compareNumbers(func(a, b float64) bool { return a <= b }), false, false, false},
	"NumericGreaterThan":       {numeric, compareNumbers(func(a, b float64) bool { return a > b }), false, false, false},
	"NumericGreaterThanEquals": {numeric, compareNumbers(func(a, b float64) bool { return a >= b }), false, false, false},
	"DateEquals":               {dated, compareDates(time.Time.Equal), false, false, false},
	"DateNotEquals":            {dated, compareDates(time.Time.Equal), true, false, false},
	"DateLessThan":             {dated, compareDates(time.Time.Before), false, false, false},
	"DateLessThanEquals":       {dated, compareDates(func(a, b time.Time) bool { return !a.After(b) }), false, false, false},
	"DateGreaterThan":          {dated, compareDates(time.Time.After), false, false, false},
	"DateGreaterThanEquals":    {dated, compareDates(func(a, b time.Time) bool { return !a.Before(b) }), false, false, false},
	"Bool":                     {truth, strings.EqualFold, false, false, false},
	"IpAddress":                {address, inPrefix, false, false, false},
	"NotIpAddress":             {address, inPrefix, true, false, false},
	"Null":                     {truth, nil, false, false, false},
}

func readConditions(v any) ([]condition, error) {
	o, ok := v.(object)
	if !ok {
		return nil, sentence("Condition must be an object")
	}
	var out []condition
	for _, f := range o {
		keys, ok := f.value.(object)
		if !ok || len(keys) == 0 {
			return nil, sentence("the condition %s must be an object of keys", clip(f.name))
		}
		for _, k := range keys {
			c, err := readCondition(f.name, k)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func readCondition(name string, key field) (condition, error) {
	c := condition{key: strings.ToLower(key.name)}
	word := name
	if rest, ok := strings.CutPrefix(word, "ForAllValues:"); ok {
		word, c.set = rest, forAll
	} else if rest, ok := strings.CutPrefix(word, "ForAnyValue:"); ok {
		word, c.set = rest, forAny
	}
	word, c.ifExists = strings.CutSuffix(word, "IfExists")
	op, known := operators[word]
	c.null = word == "Null"
	if !known || c.null && (c.ifExists || c.set != oneValue) {
		return c, sentence("the condition operator '%s' is not known", clip(name))
	}
	if key.name == "" {
		return c, sentence("a key of the condition %s has no name", name)
	}
	c.negated, c.match, c.wild = op.negated, op.match, op.wild
	all, many := key.value.([]any)
	if !many {
		all = []any{key.value}
	}
	if len(all) == 0 || len(all) > maxValues || c.null && len(all) != 1 {
		return c, sentence("the condition %s on %s has the wrong number of values", name, clip(key.name))
	}
	for _, raw := range all {
		v, ok := conditionText(raw)
		t := text{plain: v}
		if op.variables && ok {
			var err error
			if t, err = readText(v); err != nil {
				return c, err
			}
		}
		if !ok || !op.check(t.sample()) {
			return c, sentence("the condition %s on %s has a value it cannot compare", name, clip(key.name))
		}
		c.values = append(c.values, t)
	}
	return c, nil
}

// conditionText takes numbers and booleans without quotes too, as AWS does.
func conditionText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// holds is the guide's "Condition operators" and "Multivalued context keys". A
// key with several values under an operator without a set prefix is judged as
// a whole: one match satisfies a positive operator and fails a negated one.
func (c condition) holds(ctx map[string][]string) bool {
	have := ctx[c.key]
	if c.null {
		return strings.EqualFold(c.values[0].plain, "true") == (len(have) == 0)
	}
	if len(have) == 0 {
		switch {
		case c.ifExists, c.set == forAll:
			return true
		case c.set == forAny:
			return false
		}
		return c.negated
	}
	values, ok := c.filled(ctx)
	if !ok {
		return false // a variable without a value: the statement says nothing
	}
	matches := 0
	for _, v := range have {
		if anyOf(values, v, c.match) {
			matches++
		}
	}
	switch {
	case c.set == forAll && c.negated:
		return matches == 0
	case c.set == forAll:
		return matches == len(have)
	case c.set == forAny && c.negated:
		return matches < len(have)
	case c.negated:
		return matches == 0
	}
	return matches > 0
}

// filled is what the key's values are compared with.
func (c condition) filled(ctx map[string][]string) ([]string, bool) {
	out := make([]string, len(c.values))
	for i, t := range c.values {
		fill := t.value
		if c.wild {
			fill = t.pattern
		}
		var ok bool
		if out[i], ok = fill(ctx); !ok {
			return nil, false
		}
	}
	return out, true
}

func number(s string) (float64, bool) {
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false // no "inf", "nan", hexadecimal or underscores
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// date reads the W3C profile of ISO 8601 or seconds since 1970.
func date(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if sec, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(sec, 0), true
	}
	return time.Time{}, false
}

func prefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return netip.Prefix{}, false
}

func inPrefix(policy, request string) bool {
	p, ok := prefix(policy)
	a, err := netip.ParseAddr(request)
	return ok && err == nil && p.Contains(a.Unmap())
}
