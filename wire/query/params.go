package query

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"slipway/wire"
)

// Bounds on a form. The server has capped the body; these cap what a capped
// body can make us build.
const (
	maxParams = 10_000
	maxDepth  = 24 // dotted parts of one name; EC2's deepest real one has 8
	maxIndex  = 9  // digits of a list index
)

// node is one dotted part of the parameter names, with everything below it.
type node struct {
	value    string
	set      bool
	children map[string]*node
}

// grow turns a flat form into a tree. List indexes are plain names here: they
// size nothing, so Tag.999999999.Key costs what Tag.1.Key costs.
func (c Codec) grow(form url.Values) (*node, error) {
	if len(form) > maxParams {
		return nil, c.bad("MalformedQueryString", "The request has more than %d parameters.", maxParams)
	}
	root := &node{}
	for name, values := range form {
		if len(values) > 1 {
			return nil, c.bad("InvalidParameterCombination", "The parameter '%s' may only be specified once.", clip(name))
		}
		if strings.Count(name, ".") >= maxDepth {
			return nil, c.bad("MalformedQueryString", "The parameter '%s' is nested too deeply.", clip(name))
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			next := at.children[part]
			if next == nil {
				if at.children == nil {
					at.children = map[string]*node{}
				}
				next = &node{}
				at.children[part] = next
			}
			at = next
		}
		at.set, at.value = true, values[0]
	}
	return root, nil
}

// elements gives the children that have an index for a name, in its order.
// Gaps are tolerated, as AWS tolerates them.
func (n *node) elements() []*node {
	type numbered struct {
		at int
		n  *node
	}
	var found []numbered
	for name, child := range n.children {
		if i, ok := index(name); ok {
			found = append(found, numbered{i, child})
		}
	}
	slices.SortFunc(found, func(a, b numbered) int { return a.at - b.at })
	list := make([]*node, len(found))
	for i, f := range found {
		list[i] = f.n
	}
	return list
}

// index reads a list index in its one canonical spelling, so that "1" and "01"
// cannot both be there.
func index(s string) (int, bool) {
	if s == "" || len(s) > maxIndex || s[0] < '0' || s[0] > '9' || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	i, err := strconv.Atoi(s)
	return i, err == nil
}

// bad is a refusal of the form itself. EC2 has words of its own for these; the
// other services answer with the common error for unreadable requests.
func (c Codec) bad(ec2Code, format string, args ...any) *wire.Exception {
	ex := wire.Exceptionf("SerializationException", format, args...)
	if c.ec2 {
		ex.Code = ec2Code
	}
	return ex
}

// clip bounds what of a request is repeated in an answer.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
