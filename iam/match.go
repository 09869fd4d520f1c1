package iam

import "strings"

// glob matches * (any run) and ? (any one character); the runes for literal
// characters (variable.go) match those. It backs up to the last star only, which
// bounds it by len(pattern)*len(s).
func glob(pattern, s string) bool {
	pr, sr := []rune(pattern), []rune(s)
	p, i, star, mark := 0, 0, -1, 0
	for i < len(sr) {
		switch {
		case p < len(pr) && pr[p] == '*':
			star, mark = p, i
			p++
		case p < len(pr) && (pr[p] == '?' || meant(pr[p]) == sr[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pr) && pr[p] == '*' {
		p++
	}
	return p == len(pr)
}

func meant(r rune) rune {
	switch r {
	case literalStar:
		return '*'
	case literalQuestion:
		return '?'
	case literalColon:
		return ':'
	}
	return r
}

func isARN(s string) bool {
	return strings.HasPrefix(s, "arn:") && strings.Count(s, ":") >= 5
}

// globARN matches the six parts of an ARN one by one: a wildcard does not reach
// over the colon that ends its part (the last part may hold colons itself).
func globARN(pattern, arn string) bool {
	if !isARN(pattern) || !isARN(arn) {
		return false
	}
	ps, as := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	for i := range ps {
		if !glob(ps[i], as[i]) {
			return false
		}
	}
	return true
}

// globResource also knows "*", which is every resource, named or not.
func globResource(pattern, resource string) bool {
	return pattern == "*" || globARN(pattern, resource)
}

func anyOf(patterns []string, s string, match func(pattern, s string) bool) bool {
	for _, p := range patterns {
		if match(p, s) {
			return true
		}
	}
	return false
}
