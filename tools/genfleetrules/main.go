// Command genfleetrules writes docs/FLEET-RULES.md from the tests that show the
// rules of fleets, stacks and sessions: the tables in test/sdk, whose rows are
// shown through the wire, and the tests named below for what the wire does not
// show. A test that is not there, or a TestRule that is not named, ends it.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	out := flag.String("o", "docs/FLEET-RULES.md", "the file")
	root := flag.String("root", "../..", "the repository's root")
	flag.Parse()
	b, err := page(*root)
	if err == nil {
		err = os.WriteFile(*out, b, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genfleetrules:", err)
		os.Exit(1)
	}
}

// tables are those of test/sdk, in the order of the page.
var tables = []struct{ name, title string }{
	{"newFleetRules", "A new fleet"}, {"fleetValueRules", "Numbers of a fleet"}, {"elasticFleetRules", "Elastic fleets"}, {"fleetImageRules", "Images and instance types"},
	{"stoppedFleetRules", "A stopped fleet is changed"}, {"runningFleetRules", "A running fleet is changed"}, {"fleetLifeRules", "The life of a fleet"}, {"fleetTroubleRules", "A fleet that cannot start"},
	{"stackRules", "Stacks and their fleets"}, {"stackSettingRules", "Settings of a stack"}, {"streamingURLRules", "Streaming addresses"}, {"sessionRules", "Sessions"}, {"severalSessionRules", "Several sessions a machine"},
}

// other are rules that the wire does not show, each with the test that does.
var other = []struct{ rule, pkg, test string }{
	{"the published lists have 52 types for fleets, 50 for image builders and 5 for elastic fleets", "domain", "TestPublishedCatalogue"},
	{"an operator may let imported images run on stream types", "domain", "TestOverride"},
	{"the idle limit is rounded to minutes where it is used", "domain", "TestRuleIdleLimitIsRoundedWhereItIsUsed"},
	{"so many machines are wanted as hold the sessions", "domain", "TestRuleSessionsFillMachines"},
	{"fleets of a type at its end of life go on", "service", "TestRuleFleetsOfOldTypesGoOn"},
	{"an elastic fleet that runs takes display name, timeouts, sessions, script and USB filters alone", "service", "TestRuleRunningElasticFleet"},
	{"a root volume is no smaller than the image's disk", "service", "TestRuleRootVolumeHoldsTheImage"},
	{"an image that its owner brought has one session a machine", "service", "TestRuleDesktopWindowsHasOneSession"},
	{"a fleet with graphics takes a host that has them", "service", "TestRuleGraphicsTakeAHostThatHasThem"},
	{"a start and a stop are seen at once", "service", "TestRuleStartAndStopAreSeenAtOnce"},
	{"a fleet whose image is shared with it no more wants no machines", "service", "TestImageThatIsNotSharedAnyMore"},
	{"fleets and image builders share the host's memory", "service", "TestFleetsAndBuildersShareTheHost"},
	{"a fleet with several sessions a machine needs a host that can", "service", "TestFleetWithSeveralSessions"},
	{"a fleet whose machines never come up says so, and tries less and less", "work", "TestImageThatNeverBootsLeavesTheHostInPeace"},
	{"a fleet says that its host has no room", "work", "TestHostWithoutRoomIsTold"},
	{"machines are spread over subnets evenly", "work", "TestInstancesAreSpreadOverSubnets"},
	{"each machine has an address of its own; a subnet without one left is told", "work", "TestInstancesHaveAddresses"},
	{"a running fleet says in the API's words what it does not take", "service", "TestRunningFleetSaysWhatItRefuses"},
	{"the name of an image that others share may stand beside its ARN, and means nothing alone", "service", "TestFleetOfSharedImage"},
	{"machines of an image that always has the newest agent have it before a user has them", "work", "TestInstancesOfImagesThatAlwaysHaveTheNewestAgent"},
	{"machines read the files that manifests of applications name", "work", "TestInstancesReadWhatManifestsName"},
	{"a machine acts as the fleet's role until it is taken away, and makes no images", "service", "TestGuestOfAFleet"},
	{"programs find session, user, stack and session context in their environment", "work", "TestSessionEntersItsGuest"},
	{"two users at once have two real machines, go on over kill -9 of the server, and never meet", "test/vm", "TestTwoUsers"},
	{"a fleet that is changed replaces its machines one by one, those with users last", "work", "TestFleetChangesUnderSessions"},
	{"a machine that ends by itself is replaced and its session told", "work", "TestMachineThatEndsByItselfIsReplaced"},
	{"a prepared machine starts with its user", "work", "TestOnDemandInstancesWaitForTheirUser"},
	{"a machine is replaced after its user", "work", "TestInstanceIsReplacedAfterItsSession"},
	{"a session ends when its user stays away for the disconnect timeout, and at its latest time", "work", "TestSessionsEndByThemselves"},
	{"a user is not late while the machine starts", "work", "TestUsersAreNotLateWhileTheirGuestStarts"},
	{"the last connection has the session, and users are told five minutes before its end", "service", "TestConnectionsOfASession"},
	{"keyboard and pointer alone count as doing something", "stream", "TestSessionIsToldOfItsUser"},
	{"a user who does nothing is warned, then disconnected", "stream", "TestSessionLimits"},
	{"starting an application counts as doing something", "stream", "TestLaunchingIsDoingSomething"},
	{"users start the applications of the image that their machine was made from", "service", "TestApplicationsAreThoseOfTheInstance"},
	{"files come and go as the stack says", "service", "TestFilesMayGoAsTheStackSays"},
	{"a stack's hosts frame its pages, and its users go where it says", "stream", "TestStackRules"},
	{"a screen that names access endpoints is looked at through those alone", "service", "TestAccessEndpointsAreTheOnlyWay"},
	{"an address is of one stack and one fleet, not of later ones of their names", "service", "TestAddressesAreOfOneStackAndFleet"},
}

func page(root string) ([]byte, error) {
	found, err := shown(filepath.Join(root, "test", "sdk"))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("<!-- Code generated by tools/genfleetrules from the tests that show the rules. DO NOT EDIT. -->\n\n# Rules of fleets, stacks and sessions\n\n" +
		"Each line is a test. Those of the sections are shown through the wire, with both protocols: `go test ./test/sdk -run 'TestSDK/Rules/WORDS_OF_THE_RULE'`, and the same in `test/sdk/old`.\n")
	n := 0
	for _, t := range tables {
		rules := found[t.name]
		if len(rules) == 0 {
			return nil, fmt.Errorf("test/sdk has no rules in %s", t.name)
		}
		delete(found, t.name)
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		for _, r := range rules {
			fmt.Fprintf(&b, "- %s\n", r)
		}
		n += len(rules)
	}
	for name := range found {
		return nil, fmt.Errorf("the table %s of test/sdk has no title in tools/genfleetrules", name)
	}
	b.WriteString("\n## What the wire does not show\n\n| rule | test |\n|---|---|\n")
	if err := others(root); err != nil {
		return nil, err
	}
	for _, o := range other {
		fmt.Fprintf(&b, "| %s | `%s` in `%s` |\n", o.rule, o.test, o.pkg)
	}
	fmt.Fprintf(&b, "\n%d rules through the wire, %d beside it.\n", n, len(other))
	return b.Bytes(), nil
}

// others looks for the tests that are named, and for rules that nobody named.
func others(root string) error {
	named := map[string]bool{}
	for _, o := range other {
		named[o.pkg+"."+o.test] = true
	}
	for _, pkg := range []string{"domain", "service", "work", "stream", "test/vm"} {
		tests, err := testsOf(filepath.Join(root, pkg))
		if err != nil {
			return err
		}
		for t := range tests {
			if strings.HasPrefix(t, "TestRule") && !named[pkg+"."+t] {
				return fmt.Errorf("%s has %s, which tools/genfleetrules does not name", pkg, t)
			}
			delete(named, pkg+"."+t)
		}
	}
	for t := range named {
		return fmt.Errorf("there is no test %s", t)
	}
	return nil
}

func parse(dir, pattern string, each func(f *ast.File)) error {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		each(f)
	}
	return nil
}

func testsOf(dir string) (map[string]bool, error) {
	out := map[string]bool{}
	err := parse(dir, "*_test.go", func(f *ast.File) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				out[fn.Name.Name] = true
			}
		}
	})
	return out, err
}

// shown finds the tables of rules, and the words of each rule: the first text of
// a row, or of a call of number, which makes four.
func shown(dir string) (map[string][]string, error) {
	out := map[string][]string{}
	err := parse(dir, "rule*.go", func(f *ast.File) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				v, ok := s.(*ast.ValueSpec)
				if !ok || !strings.HasSuffix(v.Names[0].Name, "Rules") {
					continue
				}
				ast.Inspect(v, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.CompositeLit:
						if n.Type == nil && len(n.Elts) == 2 {
							if words, ok := text(n.Elts[0]); ok {
								out[v.Names[0].Name] = append(out[v.Names[0].Name], words)
								return false
							}
						}
					case *ast.CallExpr:
						if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "number" {
							words, _ := text(n.Args[0])
							for _, end := range []string{" at its least", " at its most", " below its least", " above its most"} {
								out[v.Names[0].Name] = append(out[v.Names[0].Name], words+end)
							}
						}
					}
					return true
				})
			}
		}
	})
	return out, err
}

func text(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}
