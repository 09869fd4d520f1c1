package api

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
)

// passedTo is the service that roles are handed to by its operations.
const passedTo = "appstream.amazonaws.com"

// authorized puts authorisation before a handler: nothing is looked up and
// nothing is told to a caller who may not do it.
func authorized(s *service.Service, r convert.Row) wire.Handler {
	if r.Own {
		return r.Handle
	}
	g := guardOf(r)
	return func(ctx context.Context, call *wire.Call) (any, error) {
		c := convert.Caller(call)
		if c.Kind != domain.CallerRoot {
			if err := s.Authorize(ctx, c, convert.Keys(call), g.checks(c, call.Input)...); err != nil {
				return nil, g.refusal(err)
			}
		}
		return r.Handle(ctx, call)
	}
}

// guard is what an operation needs permission for, as far as that is known
// without a request.
type guard struct {
	row       convert.Row
	templates []template
	tags      []tagMember
	keys      []int            // index of the member TagKeys
	facts     map[string][]int // condition keys that are members as they are
	role      []int            // index of the member IamRoleArn
	tagging   string
}

func guardOf(r convert.Row) *guard {
	in := reflect.TypeOf(r.Op.NewInput()).Elem()
	g := &guard{row: r, templates: templatesOf(r.Op), tags: tagMembers(in)}
	if f, ok := in.FieldByName("TagKeys"); ok {
		g.keys = f.Index
	}
	if r.Op.Service.Name == "iam" {
		g.facts = map[string][]int{}
		if f, ok := in.FieldByName("PermissionsBoundary"); ok {
			g.facts["iam:PermissionsBoundary"] = f.Index
		}
		if f, ok := in.FieldByName("PolicyArn"); ok && (strings.HasPrefix(r.Op.Name, "Attach") || strings.HasPrefix(r.Op.Name, "Detach")) {
			g.facts["iam:PolicyARN"] = f.Index
		}
	}
	if f, ok := in.FieldByName("IamRoleArn"); ok && r.Op.Service.Name == "appstream" {
		g.role = f.Index
	}
	if tagOnCreate[r.Op.Service.Name][r.Op.Name] {
		g.tagging = "TagResource"
	}
	return g
}

// checks lists what a request needs, in the order AWS asks: the action itself,
// then the role it hands over, then the tags it sets.
func (g *guard) checks(c domain.Caller, input any) []service.Check {
	v := reflect.ValueOf(input).Elem()
	about := g.resources(c, input)
	tags, perType := g.requestTags(v)
	keys := tagKeys(tags)
	if g.keys != nil {
		if f := v.FieldByIndex(g.keys); f.Kind() == reflect.Slice && f.Len() > 0 {
			keys["aws:TagKeys"] = texts(f)
		}
	}
	for key, index := range g.facts {
		if have := texts(v.FieldByIndex(index)); len(have) == 1 {
			keys[key] = have
		}
	}
	out := []service.Check{{Action: g.row.Action, Resources: about, Keys: keys}}
	if g.role != nil {
		if arn := texts(v.FieldByIndex(g.role)); len(arn) == 1 && arn[0] != "" {
			out = append(out, service.Check{Action: "iam:PassRole", Resources: arn, Keys: map[string][]string{"iam:PassedToService": {passedTo}}})
		}
	}
	op := g.row.Op
	switch {
	case len(tags) == 0:
	case g.tagging != "":
		out = append(out, service.Check{Action: op.Service.SigningName + ":" + g.tagging, Resources: about[:1], Keys: keys})
	case op.Service.Name == "ebs":
		perType = map[string]map[string]string{"snapshot": tags}
	}
	if actions := taggingActions[op.Name]; actions != nil && op.Service.Name == "tagging" {
		for _, arn := range walk(v, []string{"ResourceARNList"}) {
			if part := strings.SplitN(arn, ":", 4); len(part) == 4 && actions[part[2]] != "" {
				out = append(out, service.Check{Action: actions[part[2]], Resources: []string{arn}, Keys: keys})
			}
		}
	}
	for _, t := range sorted(perType) {
		k := tagKeys(perType[t])
		k["ec2:CreateAction"] = []string{op.Name}
		out = append(out, service.Check{Action: "ec2:CreateTags", Resources: []string{ec2ARN(c, t+"/*")}, Keys: k})
	}
	return out
}

// resources is what the action is about: the row's own word, or the table's.
func (g *guard) resources(c domain.Caller, input any) []string {
	if g.row.Resources != nil {
		return g.row.Resources(c, input)
	}
	return fill(g.templates, g.row.Op.Service.Name, c, input)
}

// refusal says a denial in the words of the service.
func (g *guard) refusal(err error) error {
	var f *fault.Error
	if g.row.Op.Service.Speaks(wire.EC2Query) && errors.As(err, &f) && f.Kind == fault.Denied {
		return fault.Wrap(fault.Denied, err, "You are not authorized to perform this operation. %s", f.Public)
	}
	return err
}

// tagMember is a member of a request that sets tags.
type tagMember struct {
	index []int
	typed bool // TagSpecifications: tags for types of resources
}

func tagMembers(in reflect.Type) []tagMember {
	var out []tagMember
	for i := range in.NumField() {
		f := in.Field(i)
		switch f.Name {
		case "Tags", "NewImageTags":
			out = append(out, tagMember{index: f.Index})
		case "TagSpecifications":
			out = append(out, tagMember{index: f.Index, typed: f.Type.Kind() == reflect.Slice})
		}
	}
	return out
}

func (g *guard) requestTags(v reflect.Value) (all map[string]string, perType map[string]map[string]string) {
	all = map[string]string{}
	for _, m := range g.tags {
		f := v.FieldByIndex(m.index)
		if !m.typed {
			readTags(f, all)
			continue
		}
		perType = map[string]map[string]string{}
		for i := range f.Len() {
			readTags(f.Index(i).FieldByName("Tags"), all)
			if t := texts(f.Index(i).FieldByName("ResourceType")); len(t) == 1 {
				one := map[string]string{}
				readTags(f.Index(i).FieldByName("Tags"), one)
				perType[t[0]] = one
			}
		}
	}
	return all, perType
}

// readTags reads a map of texts, or a list of structures with Key and Value.
func readTags(v reflect.Value, into map[string]string) {
	switch v.Kind() {
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			into[it.Key().String()] = it.Value().String()
		}
	case reflect.Slice:
		for i := range v.Len() {
			key, value := texts(v.Index(i).FieldByName("Key")), texts(v.Index(i).FieldByName("Value"))
			if len(key) == 1 {
				into[key[0]] = strings.Join(value, "")
			}
		}
	}
}

func tagKeys(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for _, k := range sorted(tags) {
		keys["aws:RequestTag/"+k] = []string{tags[k]}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], k)
	}
	return keys
}

// texts reads a text, an optional text or a list of texts.
func texts(v reflect.Value) []string {
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Pointer:
		if !v.IsNil() {
			return texts(v.Elem())
		}
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, texts(v.Index(i))...)
		}
		return out
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
