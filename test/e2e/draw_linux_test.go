package e2e

import (
	"context"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What is drawn: of a load that long, panels of that size, so many side by side.
const (
	drawnLoad               = 2 * time.Minute
	panelWidth, panelHeight = 310, 190
	panelsAside             = 4
	plotTop, plotLow        = 40, 138 // in a panel
	plotLeft, plotRight     = 58, 298
	linesShown              = 4
)

// line is what a panel shows over time.
type line struct {
	name   string
	points [][2]float64 // time and value
}

// draw has servers under load for some minutes, and draws what the dashboard's queries return then, in the order of the
// dashboard. It is no picture of Grafana.
func draw(t *testing.T, path string) {
	t.Helper()
	servers, clients, targets := watchedServers(t, "5s")
	p := watch(t, scraping{targets, time.Second, false})
	ctx, cancel := context.WithTimeout(t.Context(), drawnLoad)
	defer cancel()
	began := time.Now()
	load(ctx, clients, 10*time.Millisecond)
	var b strings.Builder
	n := 0
	for _, one := range dashboard(t, "10s") {
		if one.Type != "row" {
			fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, 8+n%panelsAside*(panelWidth+8), 8+n/panelsAside*(panelHeight+8))
			p.drawPanel(t, &b, one, began.Add(10*time.Second), time.Now(), targets)
			b.WriteString("</g>\n")
			n++
		}
	}
	width, height := 8+panelsAside*(panelWidth+8), 8+(n+panelsAside-1)/panelsAside*(panelHeight+8)
	text := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans, Verdana, sans-serif" font-size="10">
<rect width="100%%" height="100%%" fill="#eceff1"/>
%s</svg>
`, width, height, b.String())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, i := range servers {
		i.stop(t)
	}
}

// drawPanel draws one panel.
func (p prometheus) drawPanel(t *testing.T, b *strings.Builder, one panel, from, to time.Time, targets []string) {
	t.Helper()
	fmt.Fprintf(b, `<rect width="%d" height="%d" rx="4" fill="#fff"/><text x="10" y="20" font-size="12" font-weight="bold">%s</text>`,
		panelWidth, panelHeight, html.EscapeString(one.Title))
	var lines []line
	for _, target := range one.Targets {
		lines = append(lines, p.lines(t, target.Expr, target.LegendFormat, from, to, targets)...)
	}
	if len(lines) == 0 {
		t.Errorf("%s shows nothing", one.Title)
		return
	}
	slices.SortStableFunc(lines, func(a, b line) int { return -compare(a.last(), b.last()) })
	if one.Type == "stat" {
		for i, l := range lines {
			name, value := l.name, fmt.Sprintf(`<tspan font-weight="bold" font-size="16">%s</tspan>  `, figure(l.last(), one.FieldConfig.Defaults.Unit))
			if one.Title == "Build" {
				value = ""
			}
			fmt.Fprintf(b, `<text x="14" y="%d" font-size="11">%s%s</text>`, 60+24*i, value, html.EscapeString(name))
		}
		return
	}
	drawLines(b, lines, one.FieldConfig.Defaults.Unit, from, to)
}

// drawLines draws the axes, the lines and what they are.
func drawLines(b *strings.Builder, lines []line, unit string, from, to time.Time) {
	low, high := 0.0, 0.0
	for _, l := range lines {
		for _, at := range l.points {
			low, high = min(low, at[1]), max(high, at[1])
		}
	}
	if high == low {
		high = low + 1
	}
	y := func(v float64) float64 { return plotLow - (v-low)/(high-low)*(plotLow-plotTop) }
	x := func(at float64) float64 {
		return plotLeft + (at-float64(from.Unix()))/to.Sub(from).Seconds()*(plotRight-plotLeft)
	}
	for _, v := range []float64{low, (low + high) / 2, high} {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%s</text>`,
			plotLeft, y(v), plotRight, plotLeft-5, y(v)+3, figure(v, unit))
	}
	colours := []string{"#1565c0", "#e65100", "#2e7d32", "#6a1b9a", "#00838f", "#c62828", "#4e342e", "#37474f"}
	for i, l := range lines {
		colour := colours[i%len(colours)]
		var d strings.Builder
		for n, at := range l.points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "LM"[min(1, max(0, 1-n))], x(at[0]), y(at[1]))
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.3"/>`, d.String(), colour)
		if i < linesShown {
			name := l.name
			if i == linesShown-1 && len(lines) > linesShown {
				name = fmt.Sprintf("and %d more", len(lines)-i)
				colour = "#777"
			}
			fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`, 10+150*(i%2), plotLow+20+14*(i/2), colour, html.EscapeString(name))
		}
	}
}

func (l line) last() float64 { return l.points[len(l.points)-1][1] }

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// lines asks for what a query returned over that time. Servers are named by what keeps their jobs.
func (p prometheus) lines(t *testing.T, query, legend string, from, to time.Time, targets []string) (all []line) {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	path := fmt.Sprintf("/api/v1/query_range?query=%s&start=%d&end=%d&step=1", url.QueryEscape(query), from.Unix(), to.Unix())
	if !p.get(t, path, &answer) {
		t.Fatalf("no answer to %s", query)
	}
	for _, r := range answer.Data.Result {
		l := line{name: legend}
		for label, value := range r.Metric {
			value = strings.NewReplacer(targets[0], "file", targets[1], "jetstream").Replace(value)
			l.name = strings.ReplaceAll(l.name, "{{"+label+"}}", value)
		}
		l.name = strings.TrimSpace(strings.ReplaceAll(l.name, "{{limit}}", ""))
		for _, v := range r.Values {
			at, _ := v[0].(float64)
			if value, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64); err == nil && !math.IsNaN(value) {
				l.points = append(l.points, [2]float64{at, value})
			}
		}
		if len(l.points) > 0 {
			all = append(all, l)
		}
	}
	return all
}

// figure writes a value in its unit.
func figure(v float64, unit string) string {
	type step struct {
		from float64
		name string
	}
	var steps []step
	switch unit {
	case "s":
		steps = []step{{1, " s"}, {1e-3, " ms"}, {1e-6, " µs"}, {1e-9, " ns"}}
	case "bytes":
		steps = []step{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}}
	case "percentunit":
		return strconv.FormatFloat(100*v, 'g', 2, 64) + " %"
	}
	for _, s := range steps {
		if math.Abs(v) >= s.from {
			return strconv.FormatFloat(v/s.from, 'f', max(0, 2-int(math.Log10(math.Abs(v/s.from)))), 64) + s.name
		}
	}
	if v == math.Trunc(v) || math.Abs(v) >= 100 {
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}
