// Command testlog stands behind `go test -json`: it prints what go test prints
// without that, a line for each package and what failing tests said, and keeps
// how long everything took. With -table it prints what took longest and what
// was skipped:
//
//	go test -json ./... | testlog TIMES
//	testlog -table TIMES
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	asTable := flag.Bool("table", false, "print the slowest of what is in the file")
	flag.Parse()
	if err := run(*asTable, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
}

func run(asTable bool, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("one file for the times is needed")
	}
	if asTable {
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return table(os.Stdout, f)
	}
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return follow(os.Stdin, os.Stdout, f)
}

// event is a line of `go test -json`, as `go doc test2json` describes it.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// took is a line of the file of times.
type took struct {
	Package, Test string // Test is empty for the whole package
	Seconds       float64
	Skipped       bool
}

// follow prints events as they come; what is no event is printed as it is.
func follow(in io.Reader, out, times io.Writer) error {
	said := map[[2]string][]string{} // by package and test: until it is known whether it passes
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		who := [2]string{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "output":
			if e.Test != "" {
				said[who] = append(said[who], e.Output)
			} else if e.Output != "PASS\n" {
				fmt.Fprint(out, e.Output)
			}
		case "pass", "fail", "skip":
			// A skipped test says why: it must not go by unseen. When a package has
			// failed, tests that never ended have their say, too.
			for _, k := range keys(said) {
				if k == who || e.Test == "" && e.Action == "fail" && k[0] == e.Package {
					if e.Action != "pass" {
						fmt.Fprint(out, strings.Join(said[k], ""))
					}
					delete(said, k)
				}
			}
			if strings.Contains(e.Test, "/") {
				continue // part of its test's time
			}
			b, err := json.Marshal(took{e.Package, e.Test, e.Elapsed, e.Action == "skip" && e.Test != ""})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(times, "%s\n", b); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func keys(m map[[2]string][]string) [][2]string {
	var out [][2]string
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return out
}

const (
	mostRows = 20
	leastRow = 3 // seconds
)

// table lists what was skipped, and what took longest, packages and tests apart.
func table(out io.Writer, times io.Reader) error {
	var packages, tests []took
	d := json.NewDecoder(times)
	for d.More() {
		var t took
		if err := d.Decode(&t); err != nil {
			return err
		}
		if t.Skipped {
			fmt.Fprintf(out, "SKIPPED, and nothing proved: %s %s\n", t.Package, t.Test)
		}
		if t.Seconds < leastRow {
			continue
		}
		if t.Test == "" {
			packages = append(packages, t)
		} else {
			tests = append(tests, t)
		}
	}
	for _, l := range []struct {
		title string
		rows  []took
	}{{"Slowest packages", packages}, {"Slowest tests", tests}} {
		slices.SortStableFunc(l.rows, func(a, b took) int { return cmp.Compare(b.Seconds, a.Seconds) })
		fmt.Fprintf(out, "\n%s, in seconds (some run at the same time):\n", l.title)
		for _, t := range l.rows[:min(len(l.rows), mostRows)] {
			fmt.Fprintf(out, "%8.1f  %s\n", t.Seconds, strings.TrimSpace(strings.TrimPrefix(t.Package, "slipway/")+" "+t.Test))
		}
	}
	return nil
}
