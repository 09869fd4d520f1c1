package shape

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// matcher is a model pattern in terms RE2 has: the model's dialect is Java's,
// whose look-arounds RE2 lacks. The published patterns use them in two ways
// only, "must not begin with" and "must not end with".
type matcher struct {
	whole    *regexp.Regexp
	notStart []*regexp.Regexp
	notEnd   []*regexp.Regexp
}

var matchers sync.Map // pattern -> *matcher; compiled at first use to keep process start fast

// Matches tells whether the whole of v matches a model pattern. A pattern that
// cannot be compiled is an error; a test compiles all of them.
func Matches(pattern, v string) (bool, error) {
	m, ok := matchers.Load(pattern)
	if !ok {
		c, err := compile(pattern)
		if err != nil {
			return false, err
		}
		m, _ = matchers.LoadOrStore(pattern, c)
	}
	return m.(*matcher).match(v), nil
}

func (m *matcher) match(v string) bool {
	for _, re := range m.notStart {
		if re.MatchString(v) {
			return false
		}
	}
	for _, re := range m.notEnd {
		if re.MatchString(v) {
			return false
		}
	}
	return m.whole.MatchString(v)
}

func compile(pattern string) (*matcher, error) {
	m := &matcher{}
	p := splitRepeats(translate(pattern))
	for {
		i := strings.Index(p, "(?!")
		if i < 0 {
			break
		}
		body, rest, err := group(p, i+len("(?!"))
		if err != nil {
			return nil, err
		}
		if strings.Trim(p[:i], "^(") != "" {
			return nil, fmt.Errorf("shape: look-ahead inside pattern %q", pattern)
		}
		re, err := regexp.Compile(`\A(?:` + body + `)`)
		if err != nil {
			return nil, err
		}
		m.notStart = append(m.notStart, re)
		p = p[:i] + rest
	}
	for {
		i := strings.Index(p, "(?<!")
		if i < 0 {
			break
		}
		body, rest, err := group(p, i+len("(?<!"))
		if err != nil {
			return nil, err
		}
		if strings.Trim(rest, "$)") != "" {
			return nil, fmt.Errorf("shape: look-behind inside pattern %q", pattern)
		}
		re, err := regexp.Compile(`(?:` + body + `)\z`)
		if err != nil {
			return nil, err
		}
		m.notEnd = append(m.notEnd, re)
		p = p[:i] + rest
	}
	whole, err := regexp.Compile(`\A(?:` + p + `)\z`)
	if err != nil {
		return nil, err
	}
	m.whole = whole
	return m, nil
}

// group splits p at the parenthesis that closes the group whose body starts at
// from.
func group(p string, from int) (body, rest string, err error) {
	depth := 1
	for i := from; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return p[from:i], p[i+1:], nil
			}
		}
	}
	return "", "", fmt.Errorf("shape: unbalanced group in pattern %q", p)
}

// translate rewrites Java's \uXXXX as RE2's \x{XXXX}.
func translate(p string) string {
	if !strings.Contains(p, `\u`) {
		return p
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '\\' && i+5 < len(p) && p[i+1] == 'u':
			b.WriteString(`\x{` + p[i+2:i+6] + `}`)
			i += 5
		case p[i] == '\\' && i+1 < len(p):
			b.WriteString(p[i : i+2])
			i++
		default:
			b.WriteByte(p[i])
		}
	}
	return b.String()
}

// maxRepeat is the largest count RE2 takes in one repetition.
const maxRepeat = 1000

var largeRepeat = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(\\.|\[(?:\\.|[^\]\\])*\]|[^\\\[\](){}|*+?^$])\{(\d+),(\d{4,})\}`)
})

// splitRepeats rewrites X{0,1023} as (?:X{0,1000}X{0,23}) where X is one
// character or class; other forms are left to fail.
func splitRepeats(p string) string {
	if !strings.Contains(p, "{") {
		return p
	}
	return largeRepeat().ReplaceAllStringFunc(p, func(part string) string {
		m := largeRepeat().FindStringSubmatch(part)
		low, errLow := strconv.Atoi(m[2])
		high, errHigh := strconv.Atoi(m[3])
		if errLow != nil || errHigh != nil || high <= maxRepeat || low > maxRepeat || high > 64*maxRepeat {
			return part
		}
		var b strings.Builder
		fmt.Fprintf(&b, "(?:%s{%d,%d}", m[1], low, maxRepeat)
		for high -= maxRepeat; high > 0; high -= maxRepeat {
			fmt.Fprintf(&b, "%s{0,%d}", m[1], min(high, maxRepeat))
		}
		return b.String() + ")"
	})
}
