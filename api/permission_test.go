package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
)

// TestEveryOperationIsInTheTable lists operations, built or not, whose row in
// the table of permissions is missing, empty, names a member the request does
// not have, or is of no operation.
func TestEveryOperationIsInTheTable(t *testing.T) {
	n := 0
	for _, svc := range Services() {
		table := permissions[svc.Name]
		if table == nil {
			t.Errorf("%s: the service is not in the table", svc.Name)
			continue
		}
		for _, op := range svc.Ops {
			n++
			ts := templatesOf(op)
			if len(ts) == 0 {
				t.Errorf("%s.%s: no row", svc.Name, op.Name)
			}
			for _, m := range ts {
				if len(m.member) > 0 && m.member[0] != "" && !hasPath(reflect.TypeOf(op.NewInput()), m.member) {
					t.Errorf("%s.%s: the request has no member %s", svc.Name, op.Name, strings.Join(m.member, "."))
				}
				if m.before != "*" && m.before != "@" && m.before != "" && !strings.Contains(m.before, "/") {
					t.Errorf("%s.%s: %q names no type of resource", svc.Name, op.Name, m.before)
				}
			}
		}
		for name := range table {
			if svc.Op(name) == nil {
				t.Errorf("%s.%s: in the table, not in the model", svc.Name, name)
			}
		}
		for name := range tagOnCreate[svc.Name] {
			if svc.Op(name) == nil {
				t.Errorf("%s.%s: in the table of tags, not in the model", svc.Name, name)
			}
		}
	}
	t.Logf("%d operations", n)
}

func hasPath(t reflect.Type, path []string) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if len(path) == 0 {
		return t.Kind() == reflect.String
	}
	f, ok := reflect.StructField{}, false
	if t.Kind() == reflect.Struct {
		f, ok = t.FieldByName(path[0])
	}
	return ok && hasPath(f.Type, path[1:])
}

var tester = domain.Caller{Account: "123456789012", Region: "eu-central-1", Kind: domain.CallerUser, Name: "ann", ARN: "arn:aws:iam::123456789012:user/ann"}

// TestRowsAgreeWithTheTable: what a built row says itself about its resources
// is what the table says, for a request with every member and for an empty one.
func TestRowsAgreeWithTheTable(t *testing.T) {
	for _, r := range Rows(&service.Service{}) {
		name := r.Op.Service.Name + "." + r.Op.Name
		prefix := r.Op.Service.SigningName
		if prefix == "tagging" {
			prefix = "tag" // the one service that is signed for under another name
		}
		if want := prefix + ":" + r.Op.Name; r.Action != want {
			t.Errorf("%s: the action is %s", name, r.Action)
		}
		if r.Own && name != "sts.GetCallerIdentity" && name != "sts.AssumeRole" {
			t.Errorf("%s decides itself who may: is that so?", name)
		}
		if r.Resources == nil || exempt[name] {
			continue
		}
		for _, filled := range []bool{true, false} {
			in := r.Op.NewInput()
			if filled {
				populate(reflect.ValueOf(in).Elem(), 3)
			} else if !mayBeEmpty(r) {
				continue
			}
			got, want := r.Resources(tester, in), fill(templatesOf(r.Op), r.Op.Service.Name, tester, in)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s (filled: %v):\n is about   %v\n the table: %v", name, filled, got, want)
			}
		}
	}
}

// exempt rows make something under a path, which the table has no form for.
var exempt = map[string]bool{"iam.CreateUser": true, "iam.CreateRole": true, "iam.CreatePolicy": true, "iam.CreateGroup": true}

// mayBeEmpty tells whether an operation's request may leave all members out.
func mayBeEmpty(r convert.Row) bool {
	for _, m := range r.Op.Input.Members {
		if m.Required {
			return false
		}
	}
	return true
}

// populate gives every text below v a value that looks like an ARN where the
// name asks for one.
func populate(v reflect.Value, depth int) {
	if depth == 0 {
		return
	}
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		text := "the-" + strings.ToLower(name)
		if strings.Contains(name, "Arn") {
			text = "arn:aws:appstream:eu-central-1:123456789012:image/" + text
		}
		switch f.Interface().(type) {
		case *string:
			f.Set(reflect.ValueOf(&text))
		case []string:
			f.Set(reflect.ValueOf([]string{text, text + "-2"}))
		default:
			if f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct {
				f.Set(reflect.MakeSlice(f.Type(), 1, 1))
				populate(f.Index(0), depth-1)
			} else if f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct && f.Type().Elem().NumField() > 0 && !strings.Contains(f.Type().String(), "time") {
				f.Set(reflect.New(f.Type().Elem()))
				populate(f.Elem(), depth-1)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	rows := map[string]convert.Row{}
	for _, r := range Rows(&service.Service{}) {
		rows[r.Op.Service.Name+"."+r.Op.Name] = r
	}
	for _, c := range []struct {
		op   string
		set  map[string]any
		want string
	}{
		{"appstream.DescribeImages", nil, "appstream:DescribeImages arn:aws:appstream:eu-central-1:123456789012:image/*"},
		{"appstream.DescribeImages", map[string]any{"Names": []string{"a", "b"}},
			"appstream:DescribeImages arn:aws:appstream:eu-central-1:123456789012:image/a arn:aws:appstream:eu-central-1:123456789012:image/b"},
		{"appstream.CreateImportedImage", map[string]any{"IamRoleArn": new("arn:aws:iam::123456789012:role/x"), "Tags": map[string]string{"k": "v"}},
			"appstream:CreateImportedImage * aws:RequestTag/k=[v] aws:TagKeys=[k]; iam:PassRole arn:aws:iam::123456789012:role/x iam:PassedToService=[appstream.amazonaws.com]"},
		{"appstream.UntagResource", map[string]any{"ResourceArn": new("arn:x"), "TagKeys": []string{"k"}}, "appstream:UntagResource arn:x aws:TagKeys=[k]"},
		{"ec2.RegisterImage", nil, "ec2:RegisterImage arn:aws:ec2:eu-central-1::image/*"},
		{"tagging.UntagResources", map[string]any{"ResourceARNList": []string{"arn:aws:ec2:r::image/ami-1", "arn:aws:appstream:r:1:image/x"}, "TagKeys": []string{"k"}},
			"tag:UntagResources * aws:TagKeys=[k]; ec2:DeleteTags arn:aws:ec2:r::image/ami-1 aws:TagKeys=[k]; appstream:UntagResource arn:aws:appstream:r:1:image/x aws:TagKeys=[k]"},
		{"iam.GetUser", nil, "iam:GetUser arn:aws:iam::123456789012:user/ann"},
		{"iam.GetUser", map[string]any{"UserName": new("bob")}, "iam:GetUser arn:aws:iam::123456789012:user/bob"},
		{"iam.CreateRole", map[string]any{"RoleName": new("r"), "Path": new("/a/")}, "iam:CreateRole arn:aws:iam::123456789012:role/a/r"},
	} {
		in := rows[c.op].Op.NewInput()
		for k, v := range c.set {
			reflect.ValueOf(in).Elem().FieldByName(k).Set(reflect.ValueOf(v))
		}
		var got []string
		for _, check := range guardOf(rows[c.op]).checks(tester, in) {
			one := check.Action + " " + strings.Join(check.Resources, " ")
			for _, k := range sorted(check.Keys) {
				one += " " + k + "=[" + strings.Join(check.Keys[k], " ") + "]"
			}
			got = append(got, one)
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s:\n got  %s\n want %s", c.op, s, c.want)
		}
	}
}
