package appstream

import (
	"context"
	"net/netip"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	"slipway/service"
	"slipway/wire"
	aws "slipway/wire/appstream"
)

func (a api) createStreamingURL(ctx context.Context, c *wire.Call, in *aws.CreateStreamingURLRequest) (*aws.CreateStreamingURLResult, error) {
	address, expires, err := a.svc.SessionAddress(ctx, convert.Caller(c), service.SessionAsk{
		Stack: convert.Val(in.StackName), Fleet: convert.Val(in.FleetName), User: convert.Val(in.UserId), Application: convert.Val(in.ApplicationId),
		Context: convert.Val(in.SessionContext), Seconds: in.Validity,
	})
	if err != nil {
		return nil, err
	}
	return &aws.CreateStreamingURLResult{StreamingURL: &address, Expires: &expires}, nil
}

func (a api) describeSessions(ctx context.Context, c *wire.Call, in *aws.DescribeSessionsRequest) (*aws.DescribeSessionsResult, error) {
	after, err := convert.Position(in.NextToken)
	if err != nil {
		return nil, err
	}
	q := service.SessionQuery{Stack: convert.Val(in.StackName), Fleet: convert.Val(in.FleetName), User: convert.Val(in.UserId), Auth: convert.Val(in.AuthenticationType),
		Instance: convert.Val(in.InstanceId), After: after, Limit: domain.SessionsPageDefault}
	if in.Limit != nil {
		if q.Limit = int(*in.Limit); q.Limit < 1 {
			return nil, fault.New(fault.BadValue, "Limit is %d: it must be from 1 to %d.", q.Limit, domain.SessionsPage)
		}
	}
	list, next, err := a.svc.Sessions(ctx, convert.Caller(c), q)
	if err != nil {
		return nil, err
	}
	out := &aws.DescribeSessionsResult{Sessions: []aws.Session{}, NextToken: convert.Token(next)}
	for _, x := range list {
		out.Sessions = append(out.Sessions, *sessionShape(x))
	}
	return out, nil
}

func sessionShape(x service.SessionSeen) *aws.Session {
	connection := "NOT_CONNECTED"
	if x.Connected {
		connection = "CONNECTED"
	}
	out := &aws.Session{
		Id: new(x.Key.Name), UserId: new(x.User), StackName: new(x.Stack), FleetName: new(x.Fleet), State: new(string(x.State)), ConnectionState: &connection,
		StartTime: new(x.Started), MaxExpirationTime: new(x.Ends), AuthenticationType: new(x.Auth), InstanceId: new(x.Instance), InstanceDrainStatus: new(x.Drain),
	}
	if p, err := netip.ParsePrefix(x.Address); err == nil {
		out.NetworkAccessConfiguration = &aws.NetworkAccessConfiguration{EniPrivateIpAddress: new(p.Addr().String()), EniId: new(x.ENI)}
	}
	return out
}

func (a api) expireSession(ctx context.Context, c *wire.Call, in *aws.ExpireSessionRequest) (*aws.ExpireSessionResult, error) {
	return &aws.ExpireSessionResult{}, a.svc.ExpireSession(ctx, convert.Caller(c), convert.Val(in.SessionId))
}

func (a api) drainSessionInstance(ctx context.Context, c *wire.Call, in *aws.DrainSessionInstanceRequest) (*aws.DrainSessionInstanceResult, error) {
	return &aws.DrainSessionInstanceResult{}, a.svc.DrainSessionInstance(ctx, convert.Caller(c), convert.Val(in.SessionId))
}
