// Package audit writes down who did what: one record per call, in CloudTrail's
// record format, at the one place every call passes.
//
// It sees calls and outcomes, images that the service begins to make by itself, and
// nothing else. Sensitive members and block data
// never reach a record. What is kept for how long is in log.go.
package audit

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"slipway/wire"
	"slipway/wire/shape"
)

// Record is one event of CloudTrail's record format, version 1.11
// (CloudTrail user guide, "CloudTrail record contents"). Absent parameters are
// null there, so they are not omitted.
type Record struct {
	EventVersion       string    `json:"eventVersion"`
	UserIdentity       Who       `json:"userIdentity"`
	EventTime          time.Time `json:"eventTime"`
	EventSource        string    `json:"eventSource"`
	EventName          string    `json:"eventName"`
	AWSRegion          string    `json:"awsRegion"`
	SourceIPAddress    string    `json:"sourceIPAddress"`
	UserAgent          string    `json:"userAgent"`
	ErrorCode          string    `json:"errorCode,omitempty"`
	ErrorMessage       string    `json:"errorMessage,omitempty"`
	RequestParameters  any       `json:"requestParameters"`
	ResponseElements   any       `json:"responseElements"`
	RequestID          string    `json:"requestID"`
	EventID            string    `json:"eventID"`
	ReadOnly           bool      `json:"readOnly"`
	EventType          string    `json:"eventType"`
	ManagementEvent    bool      `json:"managementEvent"`
	RecipientAccountID string    `json:"recipientAccountId"`
	EventCategory      string    `json:"eventCategory"`
}

// Version is that of the form of a Record.
const Version = "1.11"

// FromPage is the EventType of what users did on a streaming page; calls of an API
// have another.
const FromPage = "SlipwayStreamingPage"

// FromAdmin is the EventType of requests to the operator's own interface, which no
// service of AWS's has; AdminSource stands where the service's name would.
const (
	FromAdmin   = "SlipwayAdminCall"
	AdminSource = "slipway"
)

// FromService is the EventType of what is done without a call of an API.
const FromService = "AwsServiceEvent"

// Who is CloudTrail's userIdentity element.
type Who struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
}

// WhoOf is who signed a request.
func WhoOf(id wire.Identity) Who {
	w := Who{Type: identityTypes[id.Kind], PrincipalID: id.UserID, ARN: id.ARN, AccountID: id.Account, AccessKeyID: id.AccessKeyID}
	if w.Type == "" {
		w.Type = "Unknown"
	}
	return w
}

var identityTypes = map[string]string{"root": "Root", "user": "IAMUser", "assumed-role": "AssumedRole"}

// ReadOnly tells whether an operation changes nothing, by its name, as
// CloudTrail does.
func ReadOnly(op string) bool {
	for _, p := range []string{"Describe", "List", "Get", "Simulate"} {
		if strings.HasPrefix(op, p) {
			return true
		}
	}
	return false
}

// dataEvents are calls about block data. There are thousands in one upload and
// CloudTrail keeps them apart from management events; here they are not kept.
func dataEvent(op *wire.Op) bool {
	return op.Service.Name == "ebs" && strings.Contains(op.Name, "SnapshotBlock")
}

// NewRecord describes a finished call.
func NewRecord(c *wire.Call, o wire.Outcome, at time.Time, eventID string) Record {
	id := c.Identity
	r := Record{
		EventVersion: Version, EventTime: at.UTC().Truncate(time.Second), EventSource: source(c.Op.Service), EventName: c.Op.Name,
		AWSRegion: c.Region, SourceIPAddress: c.Source, UserAgent: cut(c.UserAgent, 256), RequestID: c.RequestID, EventID: eventID,
		ReadOnly: ReadOnly(c.Op.Name), EventType: "AwsApiCall", ManagementEvent: true, RecipientAccountID: id.Account, EventCategory: "Management",
		UserIdentity: WhoOf(id),
	}
	if o.Error != nil {
		r.ErrorCode, r.ErrorMessage = o.Error.Code, cut(o.Error.Message, 1024)
	}
	r.RequestParameters = elements(c.Input, c.Op.Input)
	if !r.ReadOnly && o.Error == nil {
		r.ResponseElements = elements(o.Output, c.Op.Output)
	}
	return r
}

// source is the host name CloudTrail calls a service by.
func source(s *wire.Service) string {
	name := s.EndpointPrefix
	if s.Name == "appstream" {
		name = "appstream"
	}
	if name == "" {
		name = s.Name
	}
	return name + ".amazonaws.com"
}

const hidden = "HIDDEN_DUE_TO_SECURITY_REASONS"

// elements is a struct as CloudTrail prints it: names begin with a small
// letter, sensitive members and bytes are hidden, texts are cut.
func elements(v any, sh *shape.Shape) any {
	if v == nil {
		return nil
	}
	tree, err := shape.Tree(v, sh)
	if err != nil || len(tree) == 0 {
		return nil
	}
	return printed(tree, sh)
}

func printed(v any, sh *shape.Shape) any {
	if sh != nil && sh.Sensitive {
		return hidden
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		if sh != nil && sh.Kind == shape.Map {
			for k, x := range v {
				out[k] = printed(x, sh.Elem)
			}
			return out
		}
		for k, x := range v {
			out[small(k)] = printed(x, member(sh, k))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = printed(x, elem(sh))
		}
		return out
	case []byte:
		return hidden
	case string:
		return cut(v, 1024)
	}
	return v
}

func member(sh *shape.Shape, name string) *shape.Shape {
	if sh == nil {
		return nil
	}
	if m := sh.Member(name); m != nil {
		return m.Shape
	}
	return nil
}

func elem(sh *shape.Shape) *shape.Shape {
	if sh == nil {
		return nil
	}
	return sh.Elem
}

func small(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
