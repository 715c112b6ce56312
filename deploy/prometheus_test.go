package deploy

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// Prometheus's own tool takes the rules, and finds that each fires when it should and else does not.
func TestAlertRules(t *testing.T) {
	needs.Processes(t)
	tool := needs.Tool(t, "promtool", needs.Debian("prometheus"))
	for _, args := range [][]string{{"check", "rules", "prometheus/rules.yaml"}, {"test", "rules", "prometheus/rules_test.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests, err := os.ReadFile("prometheus/rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range at(t, documents(t, "prometheus/rules.yaml")[0], "groups").([]any) {
		for _, rule := range at(t, group, "rules").([]any) {
			if name := at(t, rule, "alert").(string); !strings.Contains(string(tests), `alertname="`+name+`"`) {
				t.Errorf("no test has %s fire", name)
			}
		}
	}
}
