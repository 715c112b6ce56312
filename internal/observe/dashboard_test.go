package observe

import (
	"encoding/json"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"
)

// panel is one of deploy/grafana/hashd.json.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/hashd.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(text, &board); err != nil || len(board.Panels) == 0 {
		t.Fatalf("%d panels, error %v", len(board.Panels), err)
	}
	return board.Panels
}

var (
	asked  = regexp.MustCompile(`\b(hashd|process|go)_[a-z_]+\b`)
	shown  = regexp.MustCompile(`\{\{([a-z]+)\}\}`)
	byThem = regexp.MustCompile(`by \(([a-z, ]+)\)`)
)

// The dashboard asks for metrics that there are, by labels that they have, and leaves out none of hashd's own. Each panel
// has a place of its own.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	families := gather(t, made(everything(&watched{})))
	left := make(map[string]bool)
	labels := map[string]bool{"instance": true, "le": true}
	for name, f := range families {
		left[name] = strings.HasPrefix(name, "hashd_")
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
	}
	ids, places := make(map[int]bool), make(map[[2]int]string)
	for _, p := range panels(t) {
		if ids[p.ID] || p.Title == "" || (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("panel %d, %q, has %d queries", p.ID, p.Title, len(p.Targets))
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if places[at] != "" || at[0] >= 24 {
					t.Errorf("%q lies on %q", p.Title, places[at])
				}
				places[at] = p.Title
			}
		}
		for _, target := range p.Targets {
			for _, name := range asked.FindAllString(target.Expr, -1) {
				base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
				if families[name] == nil && families[base] == nil {
					t.Errorf("%q asks for %s, which does not exist", p.Title, name)
				}
				delete(left, name)
				delete(left, base)
			}
			if !strings.Contains(target.Expr, `{job="hashd", instance=~"$instance"}`) {
				t.Errorf("%q does not ask for the chosen instances: %s", p.Title, target.Expr)
			}
			for _, m := range append(byThem.FindAllStringSubmatch(target.Expr, -1), shown.FindAllStringSubmatch(target.LegendFormat, -1)...) {
				for label := range strings.SplitSeq(m[1], ", ") {
					if !labels[label] {
						t.Errorf("%q: there is no label %s", p.Title, label)
					}
				}
			}
		}
	}
	for name := range left {
		if strings.HasPrefix(name, "hashd_") {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// The picture in the docs has each panel of the dashboard, and no other.
func TestPictureHasEachPanel(t *testing.T) {
	picture, err := os.ReadFile("../../docs/images/dashboard.svg")
	if err != nil {
		t.Fatal(err)
	}
	drawn := regexp.MustCompile(`font-weight="bold">([^<]+)</text>`).FindAllStringSubmatch(string(picture), -1)
	for _, p := range panels(t) {
		if p.Type == "row" {
			continue
		}
		if len(drawn) == 0 || html.UnescapeString(drawn[0][1]) != p.Title {
			t.Fatalf("%q is not drawn: %q", p.Title, drawn)
		}
		drawn = drawn[1:]
	}
	if len(drawn) > 0 {
		t.Errorf("drawn is %q", drawn)
	}
}

// A histogram is asked for in both of its forms: a Prometheus may have either.
func TestDashboardTakesBothKindsOfHistograms(t *testing.T) {
	histograms := 0
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			for _, m := range regexp.MustCompile(`(hashd_[a-z_]+_seconds)_bucket\{`).FindAllStringSubmatch(target.Expr, -1) {
				histograms++
				if before, after, both := strings.Cut(target.Expr, " or "); !both || !strings.Contains(before, m[1]+"_bucket{") || !strings.Contains(after, m[1]+"{") {
					t.Errorf("%q: %s", p.Title, target.Expr)
				}
			}
		}
	}
	if histograms < 5 {
		t.Errorf("%d panels have histograms", histograms)
	}
}
