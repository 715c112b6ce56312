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

// factor returns by how many times hashd is better: the median of the ratios of the pairs.
func (r row) factor() float64 {
	if r.unit.better == more {
		return r.hashd.over(r.baseline).median()
	}
	return r.baseline.over(r.hashd).median()
}

// table is what a sub-command prints.
type table struct {
	title   string
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

// print writes the machine, the rows in aligned columns, and the notes.
func (t *table) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s\n%s\n\n", t.title, machine())
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(tw, "what\t%s\t%s\tratio\tgoal\t\n", cmp.Or(t.columns[0], "hashd"), cmp.Or(t.columns[1], "baseline"))
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.unit.spread(r.hashd), r.unit.spread(r.baseline),
			r.ratio(), dash(r.goal), r.verdict())
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintf(w, "\nfigures: min / median / max of the runs; ratio: times %s is better, median of the pairs\n", cmp.Or(t.columns[0], "hashd"))
	for _, n := range t.notes {
		fmt.Fprintln(w, n)
	}
	return nil
}

// ratio writes the factor, where there is one: not beside what rounds to nothing, such as
// hashd's allocations.
func (r row) ratio() string {
	if r.baseline == nil || r.unit.better == neither {
		return dash("")
	}
	x := r.factor()
	if math.IsNaN(x) || math.IsInf(x, 0) || x > 9999 {
		return dash("")
	}
	return fmt.Sprintf("%.2fx", x)
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
