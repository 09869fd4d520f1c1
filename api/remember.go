package api

import (
	"context"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/service"
	"slipway/wire"
)

// question is all that a remembered answer depends on besides the store.
type question struct {
	op       *wire.Op
	protocol wire.Protocol
	caller   domain.Caller
	icons    int64 // the period of the addresses of icons
	words    string
}

// maxWords bounds the input of what is remembered. Real ones are short; nobody
// shall fill the memory with long ones that are asked once.
const maxWords = 4 << 10

// remembered puts memory before the handler of a row that wants it, and behind
// authorisation: who may ask is decided for each request.
func remembered(s *service.Service, r convert.Row) wire.Handler {
	if !r.Remember {
		return r.Handle
	}
	return func(ctx context.Context, call *wire.Call) (any, error) {
		if call.Words == nil || len(call.Words) > maxWords {
			return r.Handle(ctx, call)
		}
		q := question{r.Op, call.Protocol, convert.Caller(call), s.Config.Icons.Period(), string(call.Words)}
		return s.Store.Remember(ctx, q, func(ctx context.Context) (any, int, error) {
			out, err := r.Handle(ctx, call)
			if err != nil {
				return nil, 0, err
			}
			ready, err := call.Ready(out)
			if err != nil {
				return nil, 0, err
			}
			return ready, ready.Bytes() + len(call.Words), nil
		})
	}
}
