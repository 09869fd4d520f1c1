// Package throttle keeps one account from taking the whole server: a token
// bucket per account, service and class of operation. Not per Region, as AWS
// has it: every name is a Region here, and a new one would be a full bucket.
//
// AWS publishes the idea and few of the numbers; ours are in Default and an
// operator may change them. Nothing here looks at what a call asks for.
package throttle

import (
	"context"
	"net"
	"sync"

	"golang.org/x/time/rate"

	"slipway/api/audit"
	"slipway/api/convert"
	"slipway/wire"
)

// Limits is how many calls a second an account may make to a service, and how
// many at once after a pause. Zero rates mean no limit.
type Limits struct {
	Reads, Writes           float64 // per second
	ReadsBurst, WritesBurst int
}

// Default leaves room for every client that waits between polls.
var Default = Limits{Reads: 100, ReadsBurst: 200, Writes: 20, WritesBurst: 50}

// Limiter holds the buckets.
type Limiter struct {
	limits Limits
	mu     sync.Mutex
	by     map[key]*rate.Limiter
}

type key struct {
	account, service string
	read             bool
}

// New makes a limiter.
func New(l Limits) *Limiter { return &Limiter{limits: l, by: map[key]*rate.Limiter{}} }

// Over wraps every row's handler. Block data is not counted: an upload is
// thousands of calls and EBS has limits of its own.
func (l *Limiter) Over(row convert.Row) wire.Handler {
	if row.Op.Service.Name == "ebs" {
		return row.Handle
	}
	read := audit.ReadOnly(row.Op.Name)
	return func(ctx context.Context, c *wire.Call) (any, error) {
		if !exempt(c) && !l.bucket(key{c.Identity.Account, row.Op.Service.Name, read}).Allow() {
			return nil, refusal(row.Op)
		}
		return row.Handle(ctx, c)
	}
}

// exempt: the administrator on this machine is never kept out.
func exempt(c *wire.Call) bool {
	ip := net.ParseIP(c.Source)
	return c.Identity.Kind == "root" && !c.Private && ip != nil && ip.IsLoopback()
}

func (l *Limiter) bucket(k key) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.by[k]
	if b == nil {
		per, burst := l.limits.Writes, l.limits.WritesBurst
		if k.read {
			per, burst = l.limits.Reads, l.limits.ReadsBurst
		}
		b = rate.NewLimiter(rate.Limit(per), burst)
		if per == 0 {
			b = rate.NewLimiter(rate.Inf, 0)
		}
		l.by[k] = b
	}
	return b
}

// refusal is what the service says: a modelled exception where it has one,
// EC2's own word, or the common ThrottlingException, which every SDK waits on
// and tries again.
func refusal(op *wire.Op) *wire.Exception {
	switch {
	case op.Allows("RequestLimitExceededException"):
		return wire.Exceptionf("RequestLimitExceededException", "Rate exceeded")
	case op.Service.Speaks(wire.EC2Query):
		return &wire.Exception{Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Status: 503}
	}
	return wire.Exceptionf("ThrottlingException", "Rate exceeded")
}
