package shape

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	str    = &Shape{Name: "Str", Kind: String}
	short  = &Shape{Name: "Short", Kind: String, Min: 1, Max: 3, HasMin: true, HasMax: true}
	lower  = &Shape{Name: "Lower", Kind: String, Pattern: "^[a-z]+$"}
	color  = &Shape{Name: "Color", Kind: String, Enum: []string{"RED", "BLUE"}}
	secret = &Shape{Name: "Secret", Kind: String, Min: 8, HasMin: true, Sensitive: true}
	small  = &Shape{Name: "Small", Kind: Integer, Min: 0, Max: 9, HasMin: true, HasMax: true}
	app    = &Shape{Name: "App", Kind: Structure, Members: []Member{
		{Name: "Name", Wire: "Name", Shape: lower, Required: true}, {Name: "Password", Wire: "Password", Shape: secret}}}
	apps = &Shape{Name: "Apps", Kind: List, Elem: app, Max: 2, HasMax: true}
	tags = &Shape{Name: "Tags", Kind: Map, Key: lower, Elem: short, Max: 2, HasMax: true}
	root = &Shape{Name: "Root", Kind: Structure, Members: []Member{
		{Name: "Name", Wire: "Name", Shape: short, Required: true},
		{Name: "AppCatalogConfig", Wire: "AppCatalogConfig", Shape: apps},
		{Name: "Tags", Wire: "Tags", Shape: tags},
		{Name: "Color", Wire: "Color", Shape: color},
		{Name: "Count", Wire: "Count", Shape: small},
		{Name: "Words", Wire: "Words", Shape: &Shape{Name: "Words", Kind: List, Elem: short}},
		{Name: "When", Wire: "When", Shape: &Shape{Name: "When", Kind: Timestamp}},
		{Name: "Data", Wire: "Data", Shape: &Shape{Name: "Data", Kind: Blob, Max: 2, HasMax: true}},
		{Name: "Ratio", Wire: "Ratio", Shape: &Shape{Name: "Ratio", Kind: Double}},
	}}
	choice = &Shape{Name: "Choice", Kind: Structure, Union: true, Members: []Member{
		{Name: "A", Wire: "A", Shape: str}, {Name: "B", Wire: "B", Shape: str}}}
)

type m = map[string]any

func TestValidateSentences(t *testing.T) {
	for name, c := range map[string]struct {
		tree m
		want string
	}{
		"good":    {m{"Name": "abc"}, ""},
		"missing": {m{}, "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"},
		"short": {m{"Name": ""}, "1 validation error detected: Value '' at 'name' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1"},
		"code points, not bytes": {m{"Name": "äöü"}, ""},
		"long":                   {m{"Name": "äöüß"}, "1 validation error detected: Value 'äöüß' at 'name' failed to satisfy constraint: Member must have length less than or equal to 3"},
		"enum and range": {m{"Name": "a", "Color": "red", "Count": int64(10)}, "2 validation errors detected: " +
			"Value 'red' at 'color' failed to satisfy constraint: Member must satisfy enum value set: [RED, BLUE]; " +
			"Value '10' at 'count' failed to satisfy constraint: Member must have value less than or equal to 9"},
		"negative": {m{"Name": "a", "Count": int64(-1)}, "1 validation error detected: Value '-1' at 'count' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 0"},
		"nested": {m{"Name": "a", "AppCatalogConfig": []any{m{"Name": "A"}}}, "1 validation error detected: " +
			"Value 'A' at 'appCatalogConfig.1.member.name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z]+$"},
		"nested null": {m{"Name": "a", "AppCatalogConfig": []any{m{"Name": "a"}, m{}}}, "1 validation error detected: " +
			"Value null at 'appCatalogConfig.2.member.name' failed to satisfy constraint: Member must not be null"},
		"sensitive": {m{"Name": "a", "AppCatalogConfig": []any{m{"Name": "a", "Password": "hunter2"}}}, "1 validation error detected: " +
			"Value at 'appCatalogConfig.1.member.password' failed to satisfy constraint: Member must have length greater than or equal to 8"},
		"sensitive inside a list": {m{"Name": "a", "AppCatalogConfig": []any{
			m{"Name": "a", "Password": "hunter22"}, m{"Name": "b"}, m{"Name": "c"}}}, "1 validation error detected: " +
			"Value '[{Name=a, Password=***}, {Name=b}, {Name=c}]' at 'appCatalogConfig' failed to satisfy constraint: Member must have length less than or equal to 2"},
		"map": {m{"Name": "a", "Tags": m{"A": "v", "b": ""}}, "2 validation errors detected: " +
			"Value 'A' at 'tags.A.key' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z]+$; " +
			"Value '' at 'tags.b.member' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"list of strings": {m{"Name": "a", "Words": []any{"ok", "four"}}, "1 validation error detected: " +
			"Value 'four' at 'words.2.member' failed to satisfy constraint: Member must have length less than or equal to 3"},
		"blob": {m{"Name": "a", "Data": []byte("abc")}, "1 validation error detected: " +
			"Value '[3 bytes]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 2"},
	} {
		got := ""
		if err := Validate(c.tree, root); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestValidateUnion(t *testing.T) {
	outer := &Shape{Name: "Outer", Kind: Structure, Members: []Member{{Name: "Choice", Wire: "Choice", Shape: choice}}}
	for _, c := range []struct {
		tree m
		ok   bool
	}{{m{"A": "x"}, true}, {m{}, false}, {m{"A": "x", "B": "y"}, false}} {
		if err := Validate(m{"Choice": c.tree}, outer); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.tree, err)
		}
	}
}

func TestManyViolationsAreCountedButNotAllListed(t *testing.T) {
	words := make([]any, 5000)
	for i := range words {
		words[i] = ""
	}
	err := Validate(m{"Name": "a", "Words": words}, root)
	if !strings.HasPrefix(err.Error(), "5000 validation errors detected: ") || len(err.Error()) > 1<<15 {
		t.Errorf("%d bytes: %.80s", len(err.Error()), err)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, v string
		want       bool
	}{
		{`[a-z]+`, "abc", true},
		{`[a-z]+`, "abc1", false}, // the whole value, anchors or not
		{`[a-z]+`, "abc\n", false},
		{`^a$`, "a\n", false},
		{`^(^(?!aws:).[\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, "aws:x", false},
		{`^(^(?!aws:).[\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, "awsx", true},
		{`^(^(?!aws:).[\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, "Müller 1", true},
		{`^(^(?!aws:).[\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, "", false},
		{`^[0-9a-z\.\-]*(?<!\.)$`, "my.bucket", true},
		{`^[0-9a-z\.\-]*(?<!\.)$`, "bucket.", false},
		{`^[0-9a-z\.\-]*(?<!\.)$`, "", true},
		{`[\u0020-\u00FF]+`, "ÿ", true},
		{`[\u0020-\u00FF]+`, "Ā", false},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, "/a/", true},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, "/a", false},
		{`^arn:[A-Z\-]{0,1023}$`, "arn:" + strings.Repeat("A", 1023), true},
		{`^arn:[A-Z\-]{0,1023}$`, "arn:" + strings.Repeat("-", 1024), false},
		{`^a\.{1,1024}$`, "a" + strings.Repeat(".", 1024), true},
		{`^a\.{1,1024}$`, "a", false},
		{`\\u0041`, `\u0041`, true}, // an escaped backslash is no escape
	} {
		got, err := Matches(c.pattern, c.v)
		if err != nil || got != c.want {
			t.Errorf("%q ~ %q: %v, %v", c.v, c.pattern, got, err)
		}
	}
	for _, bad := range []string{`a(?!b)c`, `(?<!a)b`, `[`, `(?!a`} {
		if _, err := Matches(bad, "x"); err == nil {
			t.Errorf("%q is understood", bad)
		}
	}
}

type appStruct struct{ Name, Password *string }

type rootStruct struct {
	Name             *string
	AppCatalogConfig []appStruct
	Tags             map[string]string
	Color            *string
	Count            *int64
	Words            []string
	When             *time.Time
	Data             []byte
	Ratio            *float64
}

func TestBind(t *testing.T) {
	var dst rootStruct
	err := Bind(m{"Name": "a", "Tags": m{}, "Words": []any{}, "Count": int64(0), "Ratio": int64(2), "Unknown": m{"x": nil}}, root, &dst)
	if err != nil {
		t.Fatal(err)
	}
	if *dst.Name != "a" || dst.Tags == nil || dst.Words == nil || *dst.Count != 0 || *dst.Ratio != 2 {
		t.Errorf("%+v", dst)
	}
	if dst.AppCatalogConfig != nil || dst.Color != nil || dst.When != nil || dst.Data != nil {
		t.Errorf("absent members are set: %+v", dst)
	}
	tree, err := Tree(&dst, root)
	if err != nil || len(tree) != 5 {
		t.Errorf("an empty list is a list, an absent one is nothing: %v, %v", tree, err)
	}
}

func TestBindWrongTypes(t *testing.T) {
	for path, tree := range map[string]m{
		"Name":                    {"Name": int64(1)},
		"Count":                   {"Count": "1"},
		"Words":                   {"Words": "x"},
		"Words.2":                 {"Words": []any{"a", true}},
		"Tags":                    {"Tags": []any{}},
		"Tags.a":                  {"Tags": m{"a": int64(1)}},
		"AppCatalogConfig.1":      {"AppCatalogConfig": []any{"x"}},
		"AppCatalogConfig.1.Name": {"AppCatalogConfig": []any{m{"Name": 1.5}}},
		"When":                    {"When": int64(1)},
		"Data":                    {"Data": "x"},
	} {
		var te *TypeError
		if err := Bind(tree, root, &rootStruct{}); !errors.As(err, &te) || te.Path != path {
			t.Errorf("%v: %v", tree, err)
		}
	}
	for _, dst := range []any{nil, rootStruct{}, (*rootStruct)(nil), new(int), &appStruct{}} {
		if err := Bind(m{"Name": "a"}, root, dst); err == nil {
			t.Errorf("bound to %T", dst)
		}
	}
}

func TestConform(t *testing.T) {
	keep := func(_ *Shape, v any) (any, error) { return v, nil }
	wired := &Shape{Name: "Wired", Kind: Structure, Members: []Member{
		{Name: "Inner", Wire: "inner", Shape: str}, {Name: "Id", Wire: "id", Shape: str, In: URI}}}
	got, err := Conform(m{"inner": "x", "id": "y", "other": "z", "Inner": "w"}, wired, keep)
	if tree, _ := got.(m); err != nil || len(tree) != 1 || tree["Inner"] != "x" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = Conform(m{"Name": nil, "Words": []any{}}, root, keep)
	if tree, _ := got.(m); err != nil || len(tree) != 1 {
		t.Errorf("a null member is an absent one: %v, %v", got, err)
	}
	for _, bad := range []any{nil, "x", []any{}, m{"Words": []any{nil}}, m{"Tags": m{"a": nil}}, m{"Words": m{}}} {
		if _, err := Conform(bad, root, keep); err == nil {
			t.Errorf("%v passes", bad)
		}
	}
}
