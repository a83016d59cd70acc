// Command testreport reads what `go test -json` writes on standard input and says what a reader wants to know
// of it: each package as it ends, and at the end the tests that were skipped and why, and for each test that
// failed its own words, what it complains of before the tail of its log. It ends with status 1 if one failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

func main() {
	r := newReport(os.Stdout, sourceLine)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if r.finish() > 0 {
		os.Exit(1)
	}
}

// event is a line of `go test -json` (go doc test2json, go help buildjson).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64 // seconds
}

// outcome is a test that failed or was skipped. test is "" for what belongs to no test of a package.
type outcome struct {
	pkg, test string
	seconds   float64
	lines     []string
}

type report struct {
	out    io.Writer
	source func(pkg, file string, line int) string
	// lines is the output of the tests under way, by package and test. A line may still lack its end.
	lines           map[string]map[string][]string
	built           map[string][]string // what the compiler says, by package
	failed, skipped []outcome
	passed          int
}

// newReport returns a report that writes to out. source returns a line of a package's file, or "".
func newReport(out io.Writer, source func(pkg, file string, line int) string) *report {
	return &report{out: out, source: source, lines: map[string]map[string][]string{}, built: map[string][]string{}}
}

// read takes events until the input ends. A line that is no event is passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil || e.Action == "":
			fmt.Fprintf(r.out, "%s\n", strings.TrimRight(string(line), "\n"))
		default:
			r.take(e)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch e.Action {
	case "build-output":
		r.built[e.ImportPath] = append(r.built[e.ImportPath], strings.TrimRight(e.Output, "\n"))
	case "build-fail":
		r.failed = append(r.failed, outcome{pkg: e.ImportPath, lines: r.built[e.ImportPath]})
	case "output":
		r.add(e)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
			return
		}
		o := outcome{e.Package, e.Test, e.Elapsed, r.lines[e.Package][e.Test]}
		delete(r.lines[e.Package], e.Test)
		switch e.Action {
		case "pass":
			r.passed++
		case "fail":
			r.failed = append(r.failed, o)
		case "skip":
			r.skipped = append(r.skipped, o)
		}
	}
}

// add keeps a piece of output, which may be less than a line.
func (r *report) add(e event) {
	tests := r.lines[e.Package]
	if tests == nil {
		tests = map[string][]string{}
		r.lines[e.Package] = tests
	}
	kept := tests[e.Test]
	if n := len(kept); n > 0 && !strings.HasSuffix(kept[n-1], "\n") {
		kept[n-1] += e.Output
	} else {
		kept = append(kept, e.Output)
	}
	tests[e.Test] = kept
}

// endPackage tells of a package that ended, and takes its tests that did not end for failed.
func (r *report) endPackage(e event) {
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "?   "}[e.Action]
	if e.Action != "skip" {
		fmt.Fprintf(r.out, "%s %s %.1fs\n", word, e.Package, e.Elapsed)
	}
	if e.Action == "fail" {
		tests := r.lines[e.Package]
		for _, name := range slices.Sorted(maps.Keys(tests)) {
			if name != "" {
				r.failed = append(r.failed, outcome{e.Package, name, e.Elapsed, append([]string{"it did not end\n"}, tests[name]...)})
			}
		}
		if !slices.ContainsFunc(r.failed, func(o outcome) bool { return ofPackage(o.pkg, e.Package) }) {
			r.failed = append(r.failed, outcome{e.Package, "", e.Elapsed, tests[""]})
		}
	}
	delete(r.lines, e.Package)
}

// ofPackage reports whether a name that the compiler gives, such as "a/b [a/b.test]", is of a package.
func ofPackage(name, pkg string) bool {
	name, _, _ = strings.Cut(name, " ")
	return name == pkg || name == pkg+".test" || name == pkg+"_test"
}

// finish prints the end of the report and returns how many tests failed.
func (r *report) finish() int {
	fmt.Fprintln(r.out, "== skipped, and why")
	if len(r.skipped) == 0 {
		fmt.Fprintln(r.out, "   nothing")
	}
	for _, o := range r.skipped {
		said, _ := r.sort(o)
		fmt.Fprintf(r.out, "   %s %s: %s\n", short(o.pkg), o.test, strings.Join(trimmed(said), " "))
	}
	failed := r.withoutParents()
	if len(failed) > 0 {
		fmt.Fprintln(r.out, "== failed")
		for _, o := range failed[:min(len(failed), maxTests)] {
			r.print(o)
		}
		if more := len(failed) - maxTests; more > 0 {
			fmt.Fprintf(r.out, "-- and %d more\n", more)
		}
		for _, o := range failed {
			fmt.Fprintf(r.out, "FAILED %s %s\n", short(o.pkg), o.test)
		}
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, len(failed), len(r.skipped))
	return len(failed)
}

// short is a package's name within its module.
func short(pkg string) string {
	if parts := strings.SplitN(pkg, "/", 4); len(parts) == 4 && strings.Contains(parts[0], ".") {
		return parts[3]
	}
	return path.Clean(pkg)
}

// sourceLine reads a line of a file of the module in the current folder.
func sourceLine(pkg, file string, line int) string {
	data, err := os.ReadFile(path.Join(short(pkg), path.Base(file)))
	if lines := strings.Split(string(data), "\n"); err == nil && line > 0 && line <= len(lines) {
		return lines[line-1]
	}
	return ""
}

// at takes the place off a line such as "    a_test.go:12: text".
func at(line string) (file string, number int, ok bool) {
	file, rest, found := strings.Cut(strings.TrimLeft(line, " "), ":")
	digits, _, colon := strings.Cut(rest, ": ")
	number, err := strconv.Atoi(digits)
	return file, number, found && colon && err == nil && strings.HasSuffix(file, ".go") && !strings.ContainsAny(file, " /")
}
