package main

import (
	"time"

	"slipway/api/audit"
	"slipway/fault"
	"slipway/stream"
	"slipway/wire"
)

// recordOf is what the audit log keeps of a deed. Users of sessions are none of
// AWS's identities.
func recordOf(d stream.Deed) audit.Record {
	r := audit.Record{
		EventVersion: audit.Version, EventTime: d.At.UTC().Truncate(time.Second), EventSource: "appstream.amazonaws.com", EventName: d.What, AWSRegion: d.Session.Region,
		SourceIPAddress: wire.Source(d.Source), UserAgent: d.Browser, EventType: audit.FromPage, RecipientAccountID: d.Session.Account, EventCategory: "Data",
		UserIdentity:      audit.Who{Type: "StreamingUser", PrincipalID: d.User, AccountID: d.Session.Account},
		RequestParameters: map[string]any{"sessionId": d.Session.Name, "stackName": d.Stack, "name": d.Name, "bytes": d.Bytes}, ReadOnly: d.What == stream.Download,
	}
	if d.Err != nil {
		r.ErrorCode, r.ErrorMessage = fault.KindOf(d.Err).String(), fault.Public(d.Err)
	}
	return r
}
