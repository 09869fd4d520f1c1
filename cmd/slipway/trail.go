package main

import (
	"net"
	"strings"
	"time"

	"slipway/api/audit"
	"slipway/domain"
	"slipway/fault"
	"slipway/stream"
)

// What the audit log keeps of what is no call of an AWS operation.

// recordOf is what the audit log keeps of a deed. Users of sessions are none of
// AWS's identities.
func recordOf(d stream.Deed) audit.Record {
	source, _, err := net.SplitHostPort(d.Source)
	if err != nil {
		source = d.Source
	}
	r := audit.Record{
		EventVersion: audit.Version, EventTime: d.At.UTC().Truncate(time.Second), EventSource: "appstream.amazonaws.com", EventName: d.What, AWSRegion: d.Session.Region,
		SourceIPAddress: source, UserAgent: d.Browser, EventType: audit.FromPage, RecipientAccountID: d.Session.Account, EventCategory: "Data",
		UserIdentity:      audit.Who{Type: "StreamingUser", PrincipalID: d.User, AccountID: d.Session.Account},
		RequestParameters: map[string]any{"sessionId": d.Session.Name, "stackName": d.Stack, "name": d.Name, "bytes": d.Bytes}, ReadOnly: d.What == stream.Download,
	}
	if d.Err != nil {
		r.ErrorCode, r.ErrorMessage = fault.KindOf(d.Err).String(), fault.Public(d.Err)
	}
	return r
}

// imageRecord is what the audit log keeps of an image that begins to be made on an
// image builder. No operation of AWS's makes one: CloudTrail has an event of the
// service's instead, and so has this log, whether the Image Assistant in the guest
// asked for it, its panel on the page, or an operator.
func imageRecord(c domain.Caller, img *domain.Image, at time.Time) audit.Record {
	who := audit.Who{Type: "AWSService", ARN: c.ARN, AccountID: c.Account, AccessKeyID: c.KeyID}
	for part, kind := range map[string]string{":root": "Root", ":user/": "IAMUser", ":assumed-role/": "AssumedRole"} {
		if strings.Contains(c.ARN, part) {
			who.Type = kind
		}
	}
	return audit.Record{
		EventVersion: audit.Version, EventTime: at.UTC().Truncate(time.Second), EventSource: "appstream.amazonaws.com", EventName: "CreateImage", AWSRegion: c.Region,
		SourceIPAddress: "appstream.amazonaws.com", UserAgent: "appstream.amazonaws.com", EventType: audit.FromService, ManagementEvent: true,
		RecipientAccountID: c.Account, EventCategory: "Management", UserIdentity: who,
		RequestParameters: map[string]any{"imageBuilderName": img.Builder, "name": img.Key.Name},
		ResponseElements:  map[string]any{"imageArn": domain.ImageARN(img.Key), "imageState": string(img.State)},
	}
}
