package main

import (
	"strings"
	"testing"
)

const events = `{"Action":"start","Package":"slipway/a"}
{"Action":"run","Package":"slipway/a","Test":"TestGood"}
{"Action":"output","Package":"slipway/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"slipway/a","Test":"TestGood","Elapsed":7.5}
{"Action":"output","Package":"slipway/a","Test":"TestBad/part","Output":"    a_test.go:1: broken\n"}
{"Action":"fail","Package":"slipway/a","Test":"TestBad/part","Elapsed":9}
{"Action":"fail","Package":"slipway/a","Test":"TestBad","Elapsed":9}
{"Action":"output","Package":"slipway/a","Test":"TestSkipped","Output":"    a_test.go:2: needs a moon\n"}
{"Action":"skip","Package":"slipway/a","Test":"TestSkipped","Elapsed":0}
{"Action":"output","Package":"slipway/a","Test":"TestHangs","Output":"never ended\n"}
{"Action":"output","Package":"slipway/a","Output":"FAIL\tslipway/a\t16.5s\n"}
{"Action":"fail","Package":"slipway/a","Elapsed":16.5}
go: a line that is no event
{"ImportPath":"slipway/b","Action":"build-output","Output":"b.go:1: no such thing\n"}
{"Action":"output","Package":"slipway/c","Output":"PASS\n"}
{"Action":"output","Package":"slipway/c","Output":"ok  \tslipway/c\t0.1s\n"}
{"Action":"pass","Package":"slipway/c","Elapsed":0.1}
`

func TestFollow(t *testing.T) {
	var out, times strings.Builder
	if err := follow(strings.NewReader(events), &out, &times); err != nil {
		t.Fatal(err)
	}
	want := "    a_test.go:1: broken\n    a_test.go:2: needs a moon\nFAIL\tslipway/a\t16.5s\nnever ended\ngo: a line that is no event\nb.go:1: no such thing\nok  \tslipway/c\t0.1s\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	var page strings.Builder
	if err := table(&page, strings.NewReader(times.String())); err != nil {
		t.Fatal(err)
	}
	want = `SKIPPED, and nothing proved: slipway/a TestSkipped

Slowest packages, in seconds (some run at the same time):
    16.5  a

Slowest tests, in seconds (some run at the same time):
     9.0  a TestBad
     7.5  a TestGood
`
	if page.String() != want {
		t.Errorf("table\n%s\nwant\n%s", page.String(), want)
	}
}
