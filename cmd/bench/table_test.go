//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		samples samples
		want    float64
	}{
		{samples{7}, 7},
		{samples{3, 1, 2}, 2},
		{samples{4, 1, 3, 2}, 2.5},
	} {
		if got := tc.samples.median(); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.samples, got, tc.want)
		}
	}
}

func TestTable(t *testing.T) {
	t1 := table{title: "title", command: "go run it", machine: "machine\nits clock"}
	t1.add(
		// The ratio is the median of 4, 2, 10, not the ratio of the medians.
		row{what: "cost", unit: unit{name: "ns", digits: 1}, hashd: samples{10, 20, 10}, baseline: samples{40, 40, 100}}.aim("<= 10 ns", true),
		row{what: "speed", unit: unit{name: "M/s", better: more}, hashd: samples{30}, baseline: samples{10}}.aim("> 40", false),
		row{what: "slow", unit: unit{better: more}, hashd: samples{3, 3}, baseline: samples{2000, 10_000}},
		row{what: "circumstance", unit: unit{better: neither}, hashd: samples{30}, baseline: samples{10}},
		row{what: "nothing", hashd: samples{0}, baseline: samples{3}},
		row{what: "early", hashd: samples{0, 0}}.none(),
		row{what: "lost", hashd: samples{0, 1}}.none(),
	)
	t1.note("a note of %d words", 5)
	var out bytes.Buffer
	if err := t1.print(&out); err != nil {
		t.Fatal(err)
	}
	want := `
what           hashd                     baseline                   ratio   goal       
cost           10.0 / 10.0 / 20.0 ns     40.0 / 40.0 / 100.0 ns     2.00 / 4.00 / 10.00x   <= 10 ns   ok
speed          30 M/s                    10 M/s                     3.00x   > 40       miss
slow           3                         2000 / 6000 / 10000        0.0003 / 0.0009 / 0.0015x   -
circumstance   30                        10                         -       -          
nothing        0                         3                          -       -          
early          0                         -                          -       0          ok
lost           0 / 0 / 1                 -                          -       0          miss
`
	compact := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if !strings.Contains(compact(out.String()), compact(want)) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if !strings.HasPrefix(out.String(), "\ntitle\nmachine\nits clock\ngo run it\n") || !strings.HasSuffix(out.String(), "\na note of 5 words\n") {
		t.Errorf("no title or note:\n%s", out.String())
	}
	columns(t, out.String())
}

func TestMarkdown(t *testing.T) {
	t1 := table{title: "title", command: "go run it", machine: "machine\nits clock", columns: [2]string{"file", "memory"}}
	t1.add(
		row{what: "cost", unit: unit{name: "ns"}, hashd: samples{10, 20, 10}, baseline: samples{40, 40, 100}}.aim("<= 10 ns", true),
		row{what: "early", hashd: samples{0, 0}},
	)
	t1.note("a note")
	var out bytes.Buffer
	t1.markdown(&out)
	const want = `
### Title

` + "`go run it`" + `

| what | file | memory | ratio | goal | |
|---|---|---|---|---|---|
| cost | 10 / 10 / 20 ns | 40 / 40 / 100 ns | 2.00 / 4.00 / 10.00x | <= 10 ns | ok |
| early | 0 | - | - | - | |

- machine; its clock
- figures: min / median / max of the runs; ratio: times file is better, likewise, of pairs that ran one after the other
- a note
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// columns checks that the columns stand below one another.
func columns(t *testing.T, out string) {
	t.Helper()
	at := -1
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "what "):
			at = strings.Index(line, "goal")
		case strings.HasPrefix(line, "cost "), strings.HasPrefix(line, "speed "):
			if got := strings.IndexAny(line, "<>"); got != at {
				t.Errorf("goal in column %d, want %d: %q", got, at, line)
			}
		}
	}
}

func TestProcField(t *testing.T) {
	now, err := resident()
	if err != nil {
		t.Fatal(err)
	}
	peak, err := peakResident()
	if err != nil {
		t.Fatal(err)
	}
	if now < mebibyte || peak < now {
		t.Errorf("resident %d bytes, peak %d", now, peak)
	}
	if err := needMemory(0); err != nil {
		t.Error(err)
	}
	if err := needMemory(1 << 62); err == nil || !strings.Contains(err.Error(), "lower -jobs") {
		t.Errorf("got %v for more memory than there is", err)
	}
	if _, err := procField("/proc/self/status", "Nonsense"); err == nil {
		t.Error("found a field that is not there")
	}
}
