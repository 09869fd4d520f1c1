package iam

import (
	"fmt"
	"strings"
	"testing"

	"slipway/fault"
)

func one(statement string) string {
	return `{"Version":"2012-10-17","Statement":[` + statement + `]}`
}

func TestParse(t *testing.T) {
	ok := `"Effect":"Allow","Action":"ec2:X","Resource":"*"`
	for _, c := range []struct{ doc, problem string }{
		{one(`{` + ok + `}`), ""},
		{`{"Statement":{` + ok + `}}`, ""},
		{`{"Version":"2008-10-17","Id":"i","Statement":{"Sid":"s",` + ok + `}}`, ""},
		{one(`{"Effect":"Deny","NotAction":["a:*","*"],"NotResource":["arn:aws:s3:::b/*"],"Condition":{}}`), ""},
		{one(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":["a.amazonaws.com"],"AWS":"arn:aws:iam::123456789012:root"}}`), ""},
		{one(`{` + ok + `,"Condition":{"NumericLessThan":{"a":5},"Bool":{"b":true},"StringEquals":{"c":["x","y"]}}}`), ""},
		{``, "not valid JSON"},
		{`{`, "not valid JSON"},
		{`[]`, "must be a JSON object"},
		{one(`{`+ok+`}`) + `{}`, "something follows"},
		{"\xff", "UTF-8"},
		{strings.Repeat(" ", maxDocument+1), "longer than"},
		{strings.Repeat("[", 100), "too deeply"},
		{`{"Version":"2012-10-17"}`, "Statement is missing"},
		{`{"Version":"2013-10-17","Statement":{}}`, "Version must be"},
		{`{"Version":"2012-10-17","version":"x","Statement":{}}`, "'version' is not known"},
		{`{"Statement":[]}`, "1 to 256 statements"},
		{`{"Statement":[[]]}`, "statement 1 must be"},
		{one(`{` + ok + `,"Effect":"Deny"}`), "'Effect' appears twice"},
		{one(`{"Effect":"allow","Action":"a:b","Resource":"*"}`), "Allow or Deny"},
		{one(`{"Effect":"Allow","Resource":"*"}`), "Action or NotAction is missing"},
		{one(`{"Effect":"Allow","Action":"a:b"}`), "neither a resource nor a principal"},
		{one(`{` + ok + `,"NotAction":"a:b"}`), "exclude each other"},
		{one(`{` + ok + `,"NotResource":"*"}`), "exclude each other"},
		{one(`{` + ok + `,"Frob":1}`), "'Frob' is not known"},
		{one(`{` + ok + `,"Sid":"a"},{` + ok + `,"Sid":"a"}`), "used twice"},
		{one(`{"Effect":"Allow","Action":"ec2","Resource":"*"}`), "service:action"},
		{one(`{"Effect":"Allow","Action":"e*:X","Resource":"*"}`), "service:action"},
		{one(`{"Effect":"Allow","Action":[],"Resource":"*"}`), "1 to"},
		{one(`{"Effect":"Allow","Action":[1],"Resource":"*"}`), "list of strings"},
		{one(`{"Effect":"Allow","Action":null,"Resource":"*"}`), "list of strings"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"bucket"}`), "must be an ARN"},
		{one(`{"Effect":"Allow","Action":"a:${aws:username}","Resource":"*"}`), "may not have policy variables"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"${aws:username}"}`), "must be an ARN"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:iam::1:user/${aws:username"}`), "no closing brace"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:iam::1:user/${}"}`), "not the name of a policy variable"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:iam::1:user/${a${b}}"}`), "not the name of a policy variable"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:iam::1:user/${aws:username, 'x}"}`), "the default of a policy variable"},
		{one(`{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:iam::1:user/${aws:username 'x'}"}`), "the default of a policy variable"},
		{one("{\"Effect\":\"Allow\",\"Action\":\"a:b\",\"Resource\":\"arn:aws:iam::1:user/\U0010FFFD\"}"), "do not exist"},
		{one(`{` + ok + `,"Condition":{"NumericEquals":{"k":"${aws:username}"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"IpAddress":{"k":"${aws:SourceIp}"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"StringEqualz":{"k":"v"}}}`), "'StringEqualz' is not known"},
		{one(`{` + ok + `,"Condition":{"BinaryEquals":{"k":"v"}}}`), "not known"},
		{one(`{` + ok + `,"Condition":{"NullIfExists":{"k":"true"}}}`), "not known"},
		{one(`{` + ok + `,"Condition":{"ForAnyValue:Null":{"k":"true"}}}`), "not known"},
		{one(`{` + ok + `,"Condition":{"ForSomeValue:StringLike":{"k":"true"}}}`), "not known"},
		{one(`{` + ok + `,"Condition":{"NumericEquals":{"k":"ten"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"NumericEquals":{"k":"0x10"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"DateEquals":{"k":"soon"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"IpAddress":{"k":"10.0.0.0/33"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"Bool":{"k":"yes"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"ArnLike":{"k":"*"}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"StringEquals":{"k":[]}}}`), "number of values"},
		{one(`{` + ok + `,"Condition":{"StringEquals":{"k":null}}}`), "cannot compare"},
		{one(`{` + ok + `,"Condition":{"StringEquals":"k"}}`), "object of keys"},
		{one(`{` + ok + `,"Condition":[]}`), "must be an object"},
		{one(`{"Effect":"Allow","Action":"a:b","Principal":"me"}`), `must be "*"`},
		{one(`{"Effect":"Allow","Action":"a:b","Principal":{"AWS":"arn:aws:iam::123456789012:role/*"}}`), "without wildcards"},
		{one(`{"Effect":"Allow","Action":"a:b","Principal":{"AWS":"me"}}`), "neither an account"},
		{one(`{"Effect":"Allow","Action":"a:b","Principal":{"Service":"*"}}`), "not the name of a service"},
		{one(`{"Effect":"Allow","Action":"a:b","Principal":{"Federated":"x.com"}}`), "'Federated' are not supported"},
	} {
		_, err := Parse([]byte(c.doc))
		switch {
		case c.problem == "" && err != nil:
			t.Errorf("%s: %v", c.doc, err)
		case c.problem != "" && (!fault.Is(err, fault.BadValue) || !strings.Contains(fault.Public(err), c.problem)):
			t.Errorf("%s: got %v, want %q", c.doc, err, c.problem)
		}
	}
}

func TestParseKinds(t *testing.T) {
	identity := one(`{"Effect":"Allow","Action":"a:b","Resource":"*"}`)
	trust := one(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}`)
	for _, c := range []struct {
		parse func([]byte) (*Policy, error)
		doc   string
		ok    bool
	}{{ParseIdentity, identity, true}, {ParseIdentity, trust, false}, {ParseTrust, trust, true}, {ParseTrust, identity, false}, {ParseTrust, "", false}} {
		if _, err := c.parse([]byte(c.doc)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.doc, err)
		}
	}
}

func parse(t testing.TB, docs ...string) []*Policy {
	t.Helper()
	var out []*Policy
	for _, d := range docs {
		p, err := Parse([]byte(d))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

const image = "arn:aws:ec2:us-east-1::image/ami-1"

func TestEvaluate(t *testing.T) {
	s := func(effect, action, resource string) string {
		return one(fmt.Sprintf(`{"Sid":"%s","Effect":"%s","Action":"%s","Resource":"%s"}`, effect, effect, action, resource))
	}
	for _, c := range []struct {
		name             string
		docs             []string
		action, resource string
		want             Effect
		policy           int
	}{
		{"nothing", nil, "ec2:X", "*", ImplicitDeny, -1},
		{"allow", []string{s("Allow", "ec2:DescribeImages", "*")}, "ec2:DescribeImages", "*", Allow, 0},
		{"case", []string{s("Allow", "EC2:describeimages", "*")}, "ec2:DescribeImages", "*", Allow, 0},
		{"another action", []string{s("Allow", "ec2:DescribeImages", "*")}, "ec2:DescribeSnapshots", "*", ImplicitDeny, -1},
		{"prefix", []string{s("Allow", "ec2:Describe*", "*")}, "ec2:DescribeSnapshots", "*", Allow, 0},
		{"question mark", []string{s("Allow", "ec2:X?", "*")}, "ec2:X", "*", ImplicitDeny, -1},
		{"all", []string{s("Allow", "*", "*")}, "iam:PassRole", image, Allow, 0},
		{"second policy", []string{s("Allow", "a:b", "*"), s("Allow", "ec2:X", "*")}, "ec2:X", "*", Allow, 1},
		{"deny first", []string{s("Deny", "ec2:*", "*"), s("Allow", "ec2:X", "*")}, "ec2:X", "*", ExplicitDeny, 0},
		{"deny last", []string{s("Allow", "ec2:X", "*"), s("Deny", "ec2:*", "*")}, "ec2:X", "*", ExplicitDeny, 1},
		{"resource", []string{s("Allow", "ec2:X", "arn:aws:ec2:*::image/ami-?")}, "ec2:X", image, Allow, 0},
		{"resource case", []string{s("Allow", "ec2:X", "arn:aws:ec2:*::image/AMI-1")}, "ec2:X", image, ImplicitDeny, -1},
		{"star stays in its part", []string{s("Allow", "ec2:X", "arn:aws:ec2:*:123456789012:image/*")}, "ec2:X", image, ImplicitDeny, -1},
		{"no resource needs star", []string{s("Allow", "ec2:X", "arn:aws:ec2:*:*:image/*")}, "ec2:X", "*", ImplicitDeny, -1},
		{"not action", []string{one(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)}, "ec2:X", "*", Allow, 0},
		{"not action excludes", []string{one(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)}, "iam:X", "*", ImplicitDeny, -1},
		{"not resource", []string{one(`{"Effect":"Deny","Action":"*","NotResource":"` + image + `"}`)}, "ec2:X", image, ImplicitDeny, -1},
		{"not resource hits", []string{one(`{"Effect":"Deny","Action":"*","NotResource":"` + image + `"}`)}, "ec2:X", image + "2", ExplicitDeny, 0},
	} {
		d := Evaluate(parse(t, c.docs...), Request{Action: c.action, Resource: c.resource})
		if d.Effect != c.want || d.Policy != c.policy || d.Allowed() != (c.want == Allow) || (d.Why(c.action) == "") != (c.want == Allow) {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
	d := Evaluate(parse(t, one(`{"Effect":"Allow","Action":"a:b","Resource":"*"},{"Sid":"No","Effect":"Deny","Action":"*","Resource":"*"}`)), Request{Action: "a:b", Resource: "*"})
	if d != (Decision{ExplicitDeny, 0, 1, "No"}) {
		t.Errorf("%+v", d)
	}
}

func TestEvaluateAnywhere(t *testing.T) {
	allow := one(`{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*::image/*"}`)
	for _, c := range []struct {
		docs []string
		want Effect
	}{
		{[]string{allow}, Allow},
		{[]string{allow, one(`{"Effect":"Deny","Action":"*","Resource":"` + image + `"}`)}, Allow},
		{[]string{allow, one(`{"Effect":"Deny","Action":"*","Resource":"*"}`)}, ExplicitDeny},
		{[]string{allow, one(`{"Effect":"Deny","Action":"*","NotResource":"` + image + `"}`)}, Allow},
		{[]string{one(`{"Effect":"Allow","Action":"ec2:*","NotResource":"*"}`)}, ImplicitDeny},
	} {
		if d := EvaluateAnywhere(parse(t, c.docs...), Request{Action: "ec2:CopyImage"}); d.Effect != c.want {
			t.Errorf("%v: %+v", c.docs, d)
		}
	}
}

func TestPrincipals(t *testing.T) {
	service := Principal{Service: "appstream.amazonaws.com"}
	user := Principal{AWS: "arn:aws:iam::123456789012:user/ann"}
	session := Principal{AWS: "arn:aws:sts::123456789012:assumed-role/r/s", Role: "arn:aws:iam::123456789012:role/p/r"}
	for _, c := range []struct {
		element string
		who     Principal
		want    bool
	}{
		{`"Principal":{"Service":"appstream.amazonaws.com"}`, service, true},
		{`"Principal":{"Service":"ec2.amazonaws.com"}`, service, false},
		{`"Principal":{"Service":"appstream.amazonaws.com"}`, user, false},
		{`"Principal":"*"`, service, true},
		{`"Principal":"*"`, user, true},
		{`"Principal":{"AWS":"*"}`, user, true},
		{`"Principal":{"AWS":"*"}`, service, false},
		{`"Principal":{"AWS":"123456789012"}`, user, true},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`, session, true},
		{`"Principal":{"AWS":"arn:aws:iam::210987654321:root"}`, user, false},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"}`, user, true},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:role/p/r"}`, session, true},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:role/r"}`, session, false},
		{`"Principal":{"AWS":"123456789012"}`, Principal{}, false},
		{`"NotPrincipal":{"AWS":"123456789012"}`, user, false},
		{`"NotPrincipal":{"AWS":"210987654321"}`, user, true},
	} {
		d, err := Trusts([]byte(one(`{"Effect":"Allow","Action":"sts:AssumeRole",`+c.element+`}`)), Request{Principal: c.who, Action: "sts:AssumeRole"})
		if err != nil || d.Allowed() != c.want {
			t.Errorf("%s for %+v: %+v %v", c.element, c.who, d, err)
		}
	}
}

func TestTrustAllows(t *testing.T) {
	doc := []byte(one(`{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":"appstream.amazonaws.com"}}`))
	if ok, err := TrustAllows(doc, "appstream.amazonaws.com", "sts:AssumeRole"); !ok || err != nil {
		t.Error(ok, err)
	}
	if ok, err := TrustAllows(doc, "vmie.amazonaws.com", "sts:AssumeRole"); ok || err != nil {
		t.Error(ok, err)
	}
	if ok, err := TrustAllows([]byte("{}"), "appstream.amazonaws.com", "sts:AssumeRole"); ok || err == nil {
		t.Error(ok, err)
	}
}
