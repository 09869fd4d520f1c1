package iam

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	have := func(v ...string) map[string][]string { return map[string][]string{"AWS:Key": v} }
	none := map[string][]string{}
	for _, c := range []struct {
		op, values string
		ctx        map[string][]string
		want       bool
	}{
		{"StringEquals", `"a"`, have("a"), true},
		{"StringEquals", `["b","a"]`, have("a"), true},
		{"StringEquals", `"A"`, have("a"), false},
		{"StringEquals", `"a"`, none, false},
		{"StringEqualsIfExists", `"a"`, none, true},
		{"StringEqualsIfExists", `"a"`, have("b"), false},
		{"StringNotEquals", `["a","b"]`, have("c"), true},
		{"StringNotEquals", `["a","b"]`, have("b"), false},
		{"StringNotEquals", `"a"`, none, true},
		{"StringEqualsIgnoreCase", `"A"`, have("a"), true},
		{"StringNotEqualsIgnoreCase", `"A"`, have("a"), false},
		{"StringLike", `"a*c?"`, have("abbcd"), true},
		{"StringLike", `"a?c"`, have("aüc"), true},
		{"StringLike", `"a*"`, have("ba"), false},
		{"StringNotLike", `"a*"`, have("ba"), true},
		{"StringEquals", `"a*"`, have("ab"), false},
		{"ArnLike", `"arn:aws:iam::*:role/x*"`, have("arn:aws:iam::123456789012:role/xy"), true},
		{"ArnEquals", `"arn:aws:iam::*:role/x*"`, have("arn:aws:iam::123456789012:role/xy"), true},
		{"ArnLike", `"arn:aws:*:x:*:role/x"`, have("arn:aws:iam::1:role/x"), false},
		{"ArnNotLike", `"arn:aws:iam::*:role/x"`, have("arn:aws:iam::1:role/x"), false},
		{"ArnNotEquals", `"arn:aws:iam::1:role/x"`, have("arn:aws:iam::2:role/x"), true},
		{"NumericEquals", `5`, have("5.0"), true},
		{"NumericNotEquals", `"5"`, have("5"), false},
		{"NumericLessThan", `"10"`, have("9"), true},
		{"NumericLessThan", `"10"`, have("10"), false},
		{"NumericLessThanEquals", `"10"`, have("10"), true},
		{"NumericGreaterThan", `"10"`, have("9"), false},
		{"NumericGreaterThanEquals", `"10"`, have("x"), false},
		{"DateLessThan", `"2026-01-01T00:00:00Z"`, have("2025-12-31T23:59:59Z"), true},
		{"DateGreaterThan", `"2026-01-01"`, have("2025-12-31T23:59:59Z"), false},
		{"DateEquals", `"1767225600"`, have("2026-01-01T00:00:00Z"), true},
		{"DateNotEquals", `"2026-01-01T01:00:00+01:00"`, have("2026-01-01T00:00:00Z"), false},
		{"DateLessThanEquals", `"2026"`, have("2026-01-01T00:00:00Z"), true},
		{"DateGreaterThanEquals", `"2026"`, have("2026-01-01T00:00:00Z"), true},
		{"Bool", `true`, have("TRUE"), true},
		{"Bool", `"false"`, have("true"), false},
		{"IpAddress", `"10.1.2.3/8"`, have("10.9.9.9"), true},
		{"IpAddress", `"10.0.0.1"`, have("10.0.0.2"), false},
		{"IpAddress", `"10.0.0.0/8"`, have("::ffff:10.0.0.1"), true},
		{"IpAddress", `"2001:db8::/32"`, have("2001:db8::1"), true},
		{"IpAddress", `"0.0.0.0/0"`, have("nonsense"), false},
		{"NotIpAddress", `"10.0.0.0/8"`, have("11.0.0.1"), true},
		{"NotIpAddress", `"10.0.0.0/8"`, have("10.0.0.1"), false},
		{"Null", `"true"`, none, true},
		{"Null", `"true"`, have("a"), false},
		{"Null", `false`, have("a"), true},
		{"Null", `false`, have(), false},
		{"ForAllValues:StringEquals", `["a","b"]`, have("a", "b"), true},
		{"ForAllValues:StringEquals", `["a","b"]`, have("a", "c"), false},
		{"ForAllValues:StringEquals", `"a"`, none, true},
		{"ForAllValues:StringNotEquals", `"a"`, have("b", "c"), true},
		{"ForAllValues:StringNotEquals", `"a"`, have("a", "c"), false},
		{"ForAnyValue:StringEquals", `["a","b"]`, have("c", "b"), true},
		{"ForAnyValue:StringEquals", `"a"`, have("c"), false},
		{"ForAnyValue:StringEquals", `"a"`, none, false},
		{"ForAnyValue:StringEqualsIfExists", `"a"`, none, true},
		{"ForAnyValue:StringNotEquals", `"a"`, have("a", "c"), true},
		{"ForAnyValue:StringNotEquals", `"a"`, have("a"), false},
		{"StringEquals", `"a"`, have("b", "a"), true},
		{"StringNotEquals", `"a"`, have("b", "a"), false},
	} {
		doc := one(`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"` + c.op + `":{"aws:key":` + c.values + `}}}`)
		if d := Evaluate(parse(t, doc), Request{Action: "a:b", Resource: "*", Context: c.ctx}); d.Allowed() != c.want {
			t.Errorf("%s %s over %v: %v", c.op, c.values, c.ctx, d.Allowed())
		}
	}
	// All operators and all keys must hold.
	both := one(`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}}`)
	for _, c := range []struct {
		ctx  map[string][]string
		want bool
	}{
		{map[string][]string{"a": {"1"}, "b": {"2"}, "c": {"true"}}, true},
		{map[string][]string{"a": {"1"}, "c": {"true"}}, false},
		{map[string][]string{"a": {"1"}, "b": {"2"}}, false},
	} {
		if d := Evaluate(parse(t, both), Request{Action: "a:b", Resource: "*", Context: c.ctx}); d.Allowed() != c.want {
			t.Errorf("%v: %+v", c.ctx, d)
		}
	}
}

// Whatever the document: no panic, what was read is valid JSON, and adding a
// denial of everything always denies.
func FuzzPolicy(f *testing.F) {
	f.Add(one(`{"Effect":"Allow","Action":["ec2:*"],"Resource":["*"],"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:k":["a*",1,true]}}}`), "ec2:X", "arn:aws:ec2:::x", "v")
	f.Add(one(`{"Effect":"Deny","NotAction":"a:b","NotPrincipal":{"AWS":"123456789012"},"Condition":{"IpAddress":{"k":"10.0.0.0/8"},"Null":{"j":"true"}}}`), "a:b", "*", "10.0.0.1")
	f.Add(one(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:k}/${*}${k, 'x}y'}","Condition":{"StringNotLike":{"k":"${aws:k}*"},"ArnLike":{"j":"arn:aws:iam::${k}:user/a"}}}`), "a:b", "arn:aws:s3:::v/*v", "v")
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Principal":"*"},"Statement":[]}`, "", "", "")
	deny := one(`{"Effect":"Deny","Action":"*","Resource":"*"}`)
	f.Fuzz(func(t *testing.T, doc, action, resource, value string) {
		p, err := Parse([]byte(doc))
		if err != nil {
			return
		}
		if !json.Valid([]byte(doc)) {
			t.Fatal("accepted what is not JSON")
		}
		r := Request{Principal: Principal{AWS: value}, Action: action, Resource: resource, Context: map[string][]string{"aws:k": {value, action}, "k": {value}}}
		Evaluate([]*Policy{p}, r)
		if d := Evaluate(append([]*Policy{p}, parse(t, deny)...), r); d.Effect != ExplicitDeny {
			t.Fatal("a denial was overruled")
		}
		EvaluateAnywhere([]*Policy{p}, r)
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b?c*", "aXXbYc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !glob("*", s) || !glob(s+"*", s) && !strings.ContainsAny(s, "*?"+string([]rune{literalStar, literalQuestion, literalColon})) {
			t.Fatal("a star does not match")
		}
		if len(pattern) < 12 && len(s) < 12 && glob(pattern, s) != slowGlob([]rune(pattern), []rune(s)) {
			t.Fatalf("glob(%q, %q)", pattern, s)
		}
	})
}

// slowGlob is the definition.
func slowGlob(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return slowGlob(p[1:], s) || len(s) > 0 && slowGlob(p, s[1:])
	}
	return len(s) > 0 && (p[0] == '?' || meant(p[0]) == s[0]) && slowGlob(p[1:], s[1:])
}
