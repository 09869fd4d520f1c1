package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/aws/smithy-go"

	"slipway/fault"
)

func jsonFlag(set *flag.FlagSet) *bool {
	return set.Bool("json", false, "print JSON for programs")
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints rows under a header in aligned columns.
func table(w io.Writer, header string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(header, " ", "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// explain says an error to a person: what the service said without the SDK's
// wrapping, or what to do when nobody answers.
func explain(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		op := ""
		if o := (*smithy.OperationError)(nil); errors.As(err, &o) {
			op = o.Service() + " " + o.Operation() + ": "
		}
		return op + api.ErrorCode() + ": " + api.ErrorMessage()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		where := "the endpoint"
		if u := (*url.Error)(nil); errors.As(err, &u) {
			if p, e := url.Parse(u.URL); e == nil {
				where = p.Scheme + "://" + p.Host
			}
		}
		return "nothing answers at " + where + ": is the server running? Start it with `slipway serve`, or check AWS_ENDPOINT_URL"
	}
	if n := (*net.DNSError)(nil); errors.As(err, &n) {
		return fmt.Sprintf("the host %s cannot be found: check AWS_ENDPOINT_URL and the Region", n.Name)
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) && err.Error() == p.Error() && errors.Is(err, fs.ErrNotExist) {
		return "there is no file or directory " + p.Path
	}
	text := err.Error()
	for inner, f := err, (*fault.Error)(nil); errors.As(inner, &f); inner = f.Err { // the kinds are words for programs
		text = strings.Replace(text, f.Kind.String()+": "+f.Public, f.Public, 1)
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Hint != "" && !strings.Contains(text, f.Hint) {
		return text + "\n" + f.Hint
	}
	return text
}

// age says how long ago t was, in one unit.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	switch {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
