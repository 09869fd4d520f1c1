// Package api puts every service's operations together: the handlers the wire
// calls and the one place that turns an error of ours into an answer of theirs.
//
// Below it, one package per AWS service translates shape → domain → shape, one
// function per operation. Only here do AWS shapes and domain types meet. No
// rule about resources, no state and no SQL lives here.
package api

//go:generate go run slipway/tools/gencompat -o ../docs/COMPATIBILITY.md

import (
	"slices"

	"slipway/api/appstream"
	"slipway/api/convert"
	"slipway/api/ebs"
	"slipway/api/ec2"
	"slipway/api/iam"
	"slipway/api/sts"
	"slipway/api/tagging"
	"slipway/api/throttle"
	"slipway/service"
	"slipway/wire"
	wireappstream "slipway/wire/appstream"
	wireebs "slipway/wire/ebs"
	wireec2 "slipway/wire/ec2"
	wireiam "slipway/wire/iam"
	wirests "slipway/wire/sts"
	wiretagging "slipway/wire/tagging"
	wireworkspaces "slipway/wire/workspaces"
)

// Services lists every service that is answered, built or not.
func Services() []*wire.Service {
	return []*wire.Service{wireappstream.Service, wireworkspaces.Service, wireec2.Service, wireebs.Service, wireiam.Service, wirests.Service, wiretagging.Service}
}

// Rows is every operation that is built, one row each.
func Rows(s *service.Service) []convert.Row {
	return slices.Concat(appstream.Rows(s), ec2.Rows(s), ebs.Rows(s), iam.Rows(s), sts.Rows(s), tagging.Rows(s))
}

// Handlers is what the wire calls, within an account's limits and behind the
// check that the caller may. What has no row answers NotImplementedException.
func Handlers(s *service.Service, limits *throttle.Limiter) map[*wire.Op]wire.Handler {
	all := map[*wire.Op]wire.Handler{}
	for _, r := range Rows(s) {
		r.Handle = remembered(s, r)
		r.Handle = authorized(s, r)
		all[r.Op] = limits.Over(r)
	}
	return all
}

// Explain is the funnel: any error to an exception of the operation's service.
func Explain(op *wire.Op, err error) *wire.Exception {
	if table, ok := tables[op.Service.Name]; ok {
		return table.Explain(op, err)
	}
	return nil
}

var tables = map[string]convert.Table{
	"appstream": appstream.Errors,
	"ec2":       ec2.Errors,
	"ebs":       ebs.Errors,
	"iam":       iam.Errors,
	"tagging":   tagging.Errors,
	"sts":       sts.Errors,
}
