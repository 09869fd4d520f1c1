package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"

	"slipway/api/admin/adminapi"
	"slipway/api/audit"
)

func auditCommand() *command {
	return &command{
		name:    "audit",
		summary: "Show who did what",
		long: `
Prints the newest records of the account's audit log. All writes and all refused
calls are in it, those of slipway's own commands too; of successful reads by AWS
clients one in a hundred is. Block data is not. With --json each record is printed
in CloudTrail's format.`,
		setup: asks(auditRequest, auditTable),
	}
}

func auditRequest(fs *flag.FlagSet) func([]string) (request, error) {
	event := fs.String("event", "", "only this `operation`, such as CreateImportedImage")
	user := fs.String("user", "", "only callers whose ARN contains this, or whose access `key` it is")
	errs := fs.Bool("errors", false, "only calls that were refused or failed")
	since := fs.Duration("since", 0, "only the last `duration`, such as 1h")
	limit := fs.Int("limit", 50, "show this `number` of records, 1000 at most")
	return func([]string) (request, error) {
		q := url.Values{"limit": {fmt.Sprint(*limit)}}
		for k, v := range map[string]string{"event": *event, "user": *user} {
			if v != "" {
				q.Set(k, v)
			}
		}
		if *errs {
			q.Set("errors", "1")
		}
		if *since > 0 {
			q.Set("since", time.Now().Add(-*since).UTC().Format(time.RFC3339))
		}
		return request{method: "GET", path: "/audit?" + q.Encode()}, nil
	}
}

func auditTable(io streams, a *adminapi.Audit) error {
	if len(a.Records) == 0 {
		fmt.Fprintln(io.err, "No record fits.")
		return nil
	}
	var rows [][]string
	for _, raw := range a.Records {
		var r audit.Record
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("a record of the audit log cannot be read: %w", err)
		}
		who := r.UserIdentity.ARN
		if i := strings.LastIndex(who, ":"); i >= 0 {
			who = who[i+1:]
		}
		rows = append(rows, []string{r.EventTime.Local().Format(time.DateTime), orDash(who), r.SourceIPAddress, r.AWSRegion,
			strings.TrimSuffix(r.EventSource, ".amazonaws.com") + ":" + r.EventName, orDash(r.ErrorCode)})
	}
	return table(io.out, "TIME WHO FROM REGION CALL ERROR", rows)
}
