package observe

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is one of deploy/prometheus/rules.yaml.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Groups) != 1 || len(file.Groups[0].Rules) == 0 {
		t.Fatalf("%+v, error %v", file, err)
	}
	return file.Groups[0].Rules
}

var (
	named    = regexp.MustCompile(`\b(hashd|process|go)_[a-z_]+\b`)
	selected = regexp.MustCompile(`([a-z_]+)\{([a-z]+)="([^"]*)"\}`)
	grouped  = regexp.MustCompile(`by \(([a-z, ]+)\)`)
)

// Each alert asks for metrics that there are, by labels that they have, and for states that there may be.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	families := gather(t, made(everything(&watched{})))
	labels := map[string]bool{"instance": true, "le": true, "job": true}
	for _, f := range families {
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
	}
	for _, a := range alerts(t) {
		names := named.FindAllString(a.Expr, -1)
		if len(names) == 0 && !strings.HasPrefix(a.Expr, "up{") {
			t.Errorf("%s asks for nothing", a.Alert)
		}
		for _, name := range names {
			if families[name] == nil && families[strings.TrimSuffix(name, "_bucket")] == nil {
				t.Errorf("%s asks for %s, which does not exist", a.Alert, name)
			}
		}
		for _, m := range selected.FindAllStringSubmatch(a.Expr, -1) {
			if !labels[m[2]] || m[2] == "state" && !strings.Contains(strings.Join(states(), " "), m[3]) {
				t.Errorf("%s: %s has no %s", a.Alert, m[1], m[0])
			}
		}
		for _, m := range grouped.FindAllStringSubmatch(a.Expr, -1) {
			for label := range strings.SplitSeq(m[1], ", ") {
				if !labels[label] {
					t.Errorf("%s: there is no label %s", a.Alert, label)
				}
			}
		}
		if s := a.Labels["severity"]; s != "warning" && s != "critical" || a.Annotations["summary"] == "" {
			t.Errorf("%s: severity %q, summary %q", a.Alert, s, a.Annotations["summary"])
		}
	}
}

// The operator's guide says of each alert what it means and what to do, in a section that the alert names, and of no other.
func TestEveryAlertIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string][]string)
	for _, m := range regexp.MustCompile("(?m)^\\| \\[`(Hashd[A-Za-z]+)`\\]\\(#([a-z]+)\\) \\| ([a-z]+) \\| [^|]+ \\|$").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = append(documented[m[1]], m[2], m[3])
	}
	for _, a := range alerts(t) {
		anchor := strings.ToLower(a.Alert)
		if want := []string{anchor, a.Labels["severity"]}; !slices.Equal(documented[a.Alert], want) {
			t.Errorf("of %s the table has %q, want %q", a.Alert, documented[a.Alert], want)
		}
		if url := a.Annotations["runbook_url"]; url != "https://github.com/hashd-project/hashd/blob/main/docs/operate.md#"+anchor {
			t.Errorf("%s has the runbook %q", a.Alert, url)
		}
		if _, section, _ := strings.Cut(string(text), "\n### "+a.Alert+"\n"); len(strings.SplitN(section, "\n#", 2)[0]) < 50 {
			t.Errorf("%s has no section of what to do", a.Alert)
		}
		delete(documented, a.Alert)
	}
	for name := range documented {
		t.Errorf("there is no alert %s", name)
	}
}
