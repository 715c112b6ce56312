package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// adapterRule is one of prometheus-adapter's, with the fields that we use. The adapter ignores what it does not know.
type adapterRule struct {
	SeriesQuery string `yaml:"seriesQuery"`
	Resources   struct {
		Overrides map[string]struct{ Resource string }
	}
	Name         struct{ As string }
	MetricsQuery string `yaml:"metricsQuery"`
}

func adapter(t *testing.T) adapterRule {
	t.Helper()
	text, err := os.ReadFile("prometheus/adapter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		ExternalRules []adapterRule `yaml:"externalRules"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil || len(file.ExternalRules) != 1 {
		t.Fatalf("%+v, error %v", file, err)
	}
	return file.ExternalRules[0]
}

// The pods of the Deployment are scaled on the metric that the adapter gives, and there are always more than must stay.
func TestScaling(t *testing.T) {
	scaler := find(t, "kubernetes/scaling.yaml", "HorizontalPodAutoscaler")
	deployment := find(t, "kubernetes/hashd.yaml", "Deployment")
	target := at(t, scaler, "spec", "scaleTargetRef").(map[string]any)
	for _, field := range []string{"apiVersion", "kind"} {
		if target[field] != deployment[field] {
			t.Errorf("it scales %v", target)
		}
	}
	if target["name"] != at(t, deployment, "metadata", "name") {
		t.Errorf("it scales %v", target)
	}
	stay := at(t, find(t, "kubernetes/hashd.yaml", "PodDisruptionBudget"), "spec", "minAvailable").(int)
	if least := at(t, scaler, "spec", "minReplicas").(int); least <= stay || least >= at(t, scaler, "spec", "maxReplicas").(int) {
		t.Errorf("there are %d pods at least, and %d must stay", least, stay)
	}
	external := at(t, scaler, "spec", "metrics", "0", "external")
	if name := at(t, external, "metric", "name"); name != adapter(t).Name.As {
		t.Errorf("it scales on %v, and the adapter gives %s", name, adapter(t).Name.As)
	}
	if late, err := strconv.Atoi(at(t, external, "target", "value").(string)); err != nil || late < 1 || late >= 10 {
		t.Errorf("error %v: pods come once jobs are %d s overdue, and the alert after 10", err, late)
	}
}

// What the adapter asks for is how many seconds the oldest job of any pod is overdue, and 0 while none is.
func TestScalesOnOverdueJobs(t *testing.T) {
	needs.Processes(t)
	tool := needs.Tool(t, "promtool", needs.Debian("prometheus"))
	rule := adapter(t)
	series, _, _ := strings.Cut(rule.SeriesQuery, "{")
	query := strings.NewReplacer("<<.Series>>", series, "<<.LabelMatchers>>", `namespace="a"`, "<<.GroupBy>>", "namespace").Replace(rule.MetricsQuery)
	if strings.Contains(query, "<<") || rule.Resources.Overrides["namespace"].Resource != "namespace" {
		t.Fatalf("%+v", rule)
	}
	const text = `
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - { series: '%[1]s{namespace="a", instance="1"}', values: '3 9' }
      - { series: '%[1]s{namespace="a", instance="2"}', values: '0 5' }
      - { series: '%[1]s{namespace="b", instance="3"}', values: '99 99' }
      - { series: 'hashd_delay_seconds{namespace="a", instance="1"}', values: '5 5' }
      - { series: 'hashd_delay_seconds{namespace="a", instance="2"}', values: '5 5' }
      - { series: 'hashd_delay_seconds{namespace="b", instance="3"}', values: '5 5' }
    promql_expr_test:
      - { expr: '%[2]s', eval_time: 0m, exp_samples: [{ labels: '{namespace="a"}', value: 0 }] }
      - { expr: '%[2]s', eval_time: 1m, exp_samples: [{ labels: '{namespace="a"}', value: 4 }] }
`
	path := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, text, series, query), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "test", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", query, err, out)
	}
}
