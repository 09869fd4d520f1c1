package iam

import "testing"

func TestVariables(t *testing.T) {
	ctx := map[string][]string{
		"aws:username": {"ann"}, "aws:PrincipalTag/Cost Center": {"12"}, "aws:userid": {"AROA:a*"}, "aws:TagKeys": {"a", "b"}, "aws:PrincipalAccount": {"1"},
	}
	allow := func(resource, more string) string {
		return one(`{"Effect":"Allow","Action":"a:b","Resource":"` + resource + `"` + more + `}`)
	}
	const user = "arn:aws:iam::1:user/"
	for _, c := range []struct {
		doc, resource string
		want          bool
	}{
		{allow(user+"${aws:username}", ""), user + "ann", true},
		{allow(user+"${AWS:UserName}-*", ""), user + "ann-x", true},
		{allow(user+"${aws:username}", ""), user + "bob", false},
		{allow("arn:aws:iam::${aws:PrincipalAccount}:user/${aws:PrincipalTag/cost center}", ""), user + "12", true},
		// What a variable stands for is no pattern and moves no colon.
		{allow(user+"${aws:userid}", ""), user + "AROA:a*", true},
		{allow(user+"${aws:userid}", ""), user + "AROA:ab", false},
		{allow("arn:aws:iam::${aws:userid}:x", ""), "arn:aws:iam::AROA:a*:x", false},
		// The characters themselves.
		{allow(user+"${*}", ""), user + "*", true},
		{allow(user+"${*}", ""), user + "ann", false},
		{allow(user+"${?}${$}{x}", ""), user + "?${x}", true},
		{allow(user+"${?}", ""), user + "a", false},
		// Without a value the statement is about nothing; so with several.
		{allow(user+"${aws:none}", ""), user + "ann", false},
		{allow(user+"${aws:none}", ""), user + "", false},
		{allow(user+"${aws:TagKeys}", ""), user + "a", false},
		{one(`{"Effect":"Allow","Action":"a:b","NotResource":"` + user + `${aws:none}"}`), user + "ann", false},
		{one(`{"Effect":"Allow","Action":"a:b","NotResource":"` + user + `${aws:username}"}`), user + "bob", true},
		{one(`{"Effect":"Allow","Action":"a:b","NotResource":"` + user + `${aws:username}"}`), user + "ann", false},
		{allow(user+"${aws:none, 'ann'}", ""), user + "ann", true},
		{allow(user+"${aws:none,'a}*'}", ""), user + "a}*", true},
		{allow(user+"${aws:none,'a}*'}", ""), user + "a}x", false},
		{allow(user+"${aws:username, 'bob'}", ""), user + "bob", false},
		{allow(user+"${aws:TagKeys, 'a'}", ""), user + "a", false},
		// Denials.
		{allow("*", `},{"Effect":"Deny","Action":"a:b","Resource":"`+user+`${aws:username}"`), user + "ann", false},
		{allow("*", `},{"Effect":"Deny","Action":"a:b","Resource":"`+user+`${aws:username}"`), user + "bob", true},
		// Conditions.
		{allow("*", `,"Condition":{"StringEquals":{"aws:username":"${aws:none, 'ann'}"}}`), "*", true},
		{allow("*", `,"Condition":{"StringEquals":{"aws:userid":"AROA:a${*}"}}`), "*", true},
		{allow("*", `,"Condition":{"StringEquals":{"aws:userid":"${aws:userid}"}}`), "*", true},
		{allow("*", `,"Condition":{"StringLike":{"aws:username":"a${*}"}}`), "*", false},
		{allow("*", `,"Condition":{"StringLike":{"aws:username":"${aws:username}*"}}`), "*", true},
		{allow("*", `,"Condition":{"StringNotEquals":{"aws:username":"${aws:none}"}}`), "*", false},
		{allow("*", `,"Condition":{"StringNotEqualsIfExists":{"aws:absent":"${aws:none}"}}`), "*", true},
		{allow("*", `,"Condition":{"ArnLike":{"aws:arn":"arn:aws:iam::${aws:PrincipalAccount}:user/*"}}`), "*", true},
		{allow("*", `,"Condition":{"ArnLike":{"aws:arn":"arn:aws:iam::${aws:userid}:user/*"}}`), "*", false},
		// The older language has none: the text means itself.
		{`{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"a:b","Resource":"` + user + `${aws:username}"}}`, user + "ann", false},
		{`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"` + user + `${aws:username}"}}`, user + "${aws:username}", true},
	} {
		ctx["aws:arn"] = []string{"arn:aws:iam::1:user/ann"}
		if d := Evaluate(parse(t, c.doc), Request{Action: "a:b", Resource: c.resource, Context: ctx}); d.Allowed() != c.want {
			t.Errorf("%s on %s: %v", c.doc, c.resource, d.Allowed())
		}
	}
	p := parse(t, allow(user+"${aws:username}", ""))[0]
	if !p.Asks("aws:username") || !p.Asks("") || p.Asks("aws:resourcetag/") {
		t.Error("what a variable asks for is not told")
	}
}
