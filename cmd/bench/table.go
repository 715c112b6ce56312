//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// unit says how a figure is written and which way is better.
type unit struct {
	name   string
	digits int
	better direction
}

// direction is which way a figure is better.
type direction int

const (
	less    direction = iota // costs
	more                     // speeds
	neither                  // circumstances
)

// inMillis is the unit of latenesses.
func inMillis() unit { return unit{name: "ms", digits: 3} }

// millis returns d in the unit inMillis.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// row is one line of a table.
type row struct {
	what     string
	unit     unit
	hashd    samples
	baseline samples // in pairs with hashd; nil if the baseline was not measured
	goal     string  // empty if there is none
	met      bool
}

// aim sets the goal and whether it is met.
func (r row) aim(goal string, met bool) row {
	r.goal, r.met = goal, met
	return r
}

// none sets the goal that no run counted anything.
func (r row) none() row {
	return r.aim("0", slices.Max(r.hashd) == 0)
}

// factors returns by how many times hashd is better, pair by pair.
func (r row) factors() samples {
	if r.unit.better == more {
		return r.hashd.over(r.baseline)
	}
	return r.baseline.over(r.hashd)
}

// factor returns the median of the factors.
func (r row) factor() float64 { return r.factors().median() }

// table is what a sub-command prints.
type table struct {
	title   string
	command string    // that prints it anew
	machine string    // that it was measured on
	columns [2]string // of hashd and of the baseline, if they are called otherwise
	rows    []row
	notes   []string
}

// add appends rows.
func (t *table) add(rows ...row) { t.rows = append(t.rows, rows...) }

// note appends a line that stands below the table.
func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// print writes the machine, the command, the rows in aligned columns, and the notes.
func (t *table) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n%s\n%s\n\n", t.title, t.machine, t.command)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, line := range t.lines() {
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(w, "\n%s\n", t.legend())
	for _, n := range t.notes {
		fmt.Fprintln(w, n)
	}
	return nil
}

// markdown writes the same for a document.
func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n### %s%s\n\n`%s`\n\n", strings.ToUpper(t.title[:1]), t.title[1:], t.command)
	for n, line := range t.lines() {
		fmt.Fprintf(w, "| %s |\n", strings.TrimSpace(strings.Join(line, " | ")))
		if n == 0 {
			fmt.Fprintln(w, strings.Repeat("|---", len(line))+"|")
		}
	}
	fmt.Fprintln(w)
	for _, n := range append([]string{t.machine, t.legend()}, t.notes...) {
		fmt.Fprintf(w, "- %s\n", strings.ReplaceAll(n, "\n", "; "))
	}
}

// lines returns the head and the rows, a string a column.
func (t *table) lines() [][]string {
	lines := [][]string{{"what", t.first(), cmp.Or(t.columns[1], "baseline"), "ratio", "goal", ""}}
	for _, r := range t.rows {
		lines = append(lines, []string{r.what, r.unit.spread(r.hashd), r.unit.spread(r.baseline), r.ratio(), dash(r.goal), r.verdict()})
	}
	return lines
}

// legend says how the lines are read.
func (t *table) legend() string {
	return fmt.Sprintf("figures: min / median / max of the runs; ratio: times %s is better, likewise, of pairs that ran one after the other", t.first())
}

func (t *table) first() string { return cmp.Or(t.columns[0], "hashd") }

// ratio writes the factor, where there is one: not beside what rounds to nothing, such as
// hashd's allocations.
func (r row) ratio() string {
	if r.baseline == nil || r.unit.better == neither {
		return dash("")
	}
	factors := r.factors()
	for _, x := range factors {
		if math.IsNaN(x) || math.IsInf(x, 0) || x > 9999 {
			return dash("")
		}
	}
	digits := 2
	if slices.Max(factors) < 0.1 {
		digits = 4
	}
	return unit{digits: digits}.spread(factors) + "x"
}

// verdict is a word, never an exit status: a missed goal may be the machine's fault.
func (r row) verdict() string {
	switch {
	case r.goal == "":
		return ""
	case r.met:
		return "ok"
	}
	return "miss"
}

// spread writes min / median / max, or one figure if they are written alike.
func (u unit) spread(s samples) string {
	if len(s) == 0 {
		return dash("")
	}
	low, mid, high := u.number(slices.Min(s)), u.number(s.median()), u.number(slices.Max(s))
	if low == high {
		return strings.TrimSpace(mid + " " + u.name)
	}
	return strings.TrimSpace(low + " / " + mid + " / " + high + " " + u.name)
}

// number writes v without the unit's name.
func (u unit) number(v float64) string { return fmt.Sprintf("%.*f", u.digits, v) }

// dash stands where there is nothing to say.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
