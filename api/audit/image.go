package audit

import (
	"strings"

	"slipway/domain"
)

// ImageBegun is what is kept of an image that begins to be made on an image
// builder. No operation of AWS's makes one: CloudTrail has an event of the
// service's instead, and so has this log, whether the Image Assistant in the guest
// asked for it, its panel on the page, or an operator.
func ImageBegun(c domain.Caller, img *domain.Image) Record {
	who := Who{Type: "AWSService", ARN: c.ARN, AccountID: c.Account, AccessKeyID: c.KeyID}
	for kind, name := range identityTypes {
		if strings.Contains(c.ARN, ":"+kind) {
			who.Type = name
		}
	}
	return Record{
		EventVersion: Version, EventSource: "appstream.amazonaws.com", EventName: "CreateImage", AWSRegion: c.Region,
		SourceIPAddress: "appstream.amazonaws.com", UserAgent: "appstream.amazonaws.com", EventType: FromService, ManagementEvent: true,
		RecipientAccountID: c.Account, EventCategory: "Management", UserIdentity: who,
		RequestParameters: map[string]any{"imageBuilderName": img.Builder, "name": img.Key.Name},
		ResponseElements:  map[string]any{"imageArn": domain.ImageARN(img.Key), "imageState": string(img.State)},
	}
}
