package api

import (
	"slipway/service"
	"slipway/wire"
)

// Operation is one operation of a service, and whether it is built. What is not
// answers NotImplementedException.
type Operation struct {
	*wire.Op
	Built bool
}

// Operations lists every operation of every service, as Services orders them.
func Operations() []Operation {
	built := map[*wire.Op]bool{}
	for _, r := range Rows(&service.Service{}) {
		built[r.Op] = true
	}
	var all []Operation
	for _, s := range Services() {
		for _, op := range s.Ops {
			all = append(all, Operation{op, built[op]})
		}
	}
	return all
}
