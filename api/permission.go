package api

import (
	"reflect"
	"strings"

	"slipway/domain"
	"slipway/wire"
)

// template is what one permission is about: an ARN with a member of the request
// in it, such as image/${Names}.
type template struct {
	before, after string
	member        []string // the member's path; nil: none
	otherwise     string   // what an absent member stands for; "" leaves the template out
}

// templatesOf reads the row of an operation in the table of permissions.
func templatesOf(op *wire.Op) []template {
	var out []template
	for _, word := range strings.Fields(permissions[op.Service.Name][op.Name]) {
		t := template{before: word}
		if before, rest, ok := strings.Cut(word, "${"); ok {
			member, after, _ := strings.Cut(rest, "}")
			member, otherwise, _ := strings.Cut(member, "|")
			t = template{before: before, after: after, member: strings.Split(member, "."), otherwise: otherwise}
		}
		out = append(out, t)
	}
	return out
}

// caller as the default of a member means the caller's own name.
const ownName = "@"

// fill makes the ARNs of a request. Where no member of any template was sent,
// the request is about everything of the first type.
func fill(ts []template, service string, c domain.Caller, input any) []string {
	var out []string
	v := reflect.ValueOf(input)
	for _, t := range ts {
		switch values := t.values(v, c); {
		case t.member == nil:
			out = append(out, arnOf(service, c, t.before))
		default:
			for _, one := range values {
				out = append(out, arnOf(service, c, t.before+one+t.after))
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, t := range ts {
		if t.before != "" && t.before != "@" {
			return []string{arnOf(service, c, t.before+"*")}
		}
	}
	return []string{"*"}
}

func (t template) values(v reflect.Value, c domain.Caller) []string {
	if t.member == nil {
		return nil
	}
	values := walk(v, t.member)
	switch {
	case len(values) > 0:
		return values
	case t.otherwise == ownName:
		return []string{c.Name}
	case t.otherwise != "":
		return []string{t.otherwise}
	}
	return nil
}

// walk collects the texts at a path of members, through lists.
func walk(v reflect.Value, path []string) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return walk(v.Elem(), path)
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, walk(v.Index(i), path)...)
		}
		return out
	case reflect.Struct:
		if len(path) == 0 {
			return nil
		}
		f := v.FieldByName(path[0])
		if !f.IsValid() {
			return nil
		}
		return walk(f, path[1:])
	case reflect.String:
		if s := v.String(); s != "" && len(path) == 0 {
			return []string{s}
		}
	}
	return nil
}

// arnOf completes the ARN of a resource of the caller's.
func arnOf(service string, c domain.Caller, resource string) string {
	switch {
	case resource == "*" || strings.HasPrefix(resource, "arn:"):
		return resource
	case resource[0] == '@':
		return ec2ARN(c, typeOfID(resource[1:])+"/"+resource[1:])
	case service == "ec2" || service == "ebs":
		return ec2ARN(c, resource)
	case service == "iam" || service == "sts":
		return domain.ARN("iam", "", c.Account, resource)
	}
	return domain.ARN(service, c.Region, c.Account, resource)
}

// ec2ARN: AMIs and snapshots have no account in their ARNs.
func ec2ARN(c domain.Caller, resource string) string {
	if strings.HasPrefix(resource, "image/") || strings.HasPrefix(resource, "snapshot/") {
		return domain.ARN("ec2", c.Region, "", resource)
	}
	return domain.ARN("ec2", c.Region, c.Account, resource)
}

// idTypes are the types of EC2 ids by their prefix.
var idTypes = map[string]string{
	"ami": "image", "snap": "snapshot", "subnet": "subnet", "vpc": "vpc", "sg": "security-group", "i": "instance", "vol": "volume",
	"import-ami": "import-image-task", "import-snap": "import-snapshot-task", "export-ami": "export-image-task",
}

func typeOfID(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 && idTypes[id[:i]] != "" {
		return idTypes[id[:i]]
	}
	return "*"
}
