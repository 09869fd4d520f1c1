package ec2

import (
	"path"
	"strings"

	"slipway/api/convert"
	"slipway/domain"
	"slipway/fault"
	aws "slipway/wire/ec2"
)

// filterMax is EC2's bound on the values of one request's filters.
const filterMax = 200

// field reads the values a resource has under a filter name; ok is false for a
// name the operation does not know.
type field func(name string) (values []string, ok bool)

// checkFilters refuses unknown names before any resource is looked at.
func checkFilters(filters []aws.Filter, known field) error {
	total := 0
	for _, f := range filters {
		name := convert.Val(f.Name)
		if _, ok := known(name); !ok {
			return fault.New(fault.BadValue, "The filter '%s' is invalid", name)
		}
		if total += len(f.Values); total > filterMax {
			return fault.New(fault.BadValue, "The maximum number of filter values specified on a single call is %d", filterMax).WithCode("FilterLimitExceeded")
		}
	}
	return nil
}

// passes tells whether every filter holds; a filter holds when one of its
// values matches. * and ? match as EC2 documents.
func passes(filters []aws.Filter, have field) bool {
	for _, f := range filters {
		values, _ := have(convert.Val(f.Name))
		if !anyMatch(f.Values, values) {
			return false
		}
	}
	return true
}

func anyMatch(patterns, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			if wildcard(p, v) {
				return true
			}
		}
	}
	return false
}

// wildcard uses path.Match for * and ?; the two characters that mean more to
// it are escaped, and '/' is hidden since EC2's * crosses it.
func wildcard(pattern, value string) bool {
	hide := strings.NewReplacer("/", "\x00", "[", `\[`)
	ok, err := path.Match(hide.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
	return ok && err == nil
}

func tagFields(name string, tags domain.Tags) ([]string, bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok {
		if v, ok := tags[key]; ok {
			return []string{v}, true
		}
		return nil, true
	}
	if name == "tag-key" {
		var keys []string
		for k := range tags {
			keys = append(keys, k)
		}
		return keys, true
	}
	return nil, false
}

func boolWord(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
