// Package linters proves that the checks of make lint find what they are for.
package linters

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/api"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// rootWith skips the test where the tool, a path below .cache, was not installed.
func rootWith(t *testing.T, tool string) (root string) {
	t.Helper()
	needs.Processes(t)
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(root, ".cache", tool)); len(found) > 0 {
		return root
	}
	needs.Missing(t, "no "+tool+": make lint installs it")
	return ""
}

// mutant is the contract with something replaced where it comes first.
func mutant(t *testing.T, before, after string) string {
	t.Helper()
	text := strings.Replace(api.Contract(), before, after, 1)
	if text == api.Contract() {
		t.Errorf("the contract has no %q", before)
	}
	return text
}

// The linter of make lint-api takes the contract, and says what is wrong if a line of it is.
func TestLintAPI(t *testing.T) {
	t.Parallel()
	root := rootWith(t, "redocly/node_modules/.package-lock.json")
	lint := func(contract string) (string, error) {
		file := filepath.Join(t.TempDir(), "openapi.yaml")
		if err := os.WriteFile(file, []byte(contract), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "lint-api"), file).CombinedOutput()
		return string(out), err
	}
	if out, err := lint(api.Contract()); err != nil || regexp.MustCompile(`[0-9] warning`).MatchString(out) {
		t.Errorf("%v:\n%s", err, out)
	}
	for rule, m := range map[string]struct{ before, after string }{
		"operation-operationId":          {"      operationId: getStats\n", ""},
		"operation-operationId-unique":   {"operationId: getHealth", "operationId: getReadiness"},
		"struct":                         {"      summary: Counters since start\n", "      overview: Counters since start\n"},
		"no-unresolved-refs":             {`"#/components/schemas/Stats"`, `"#/components/schemas/Statistics"`},
		"no-unused-components":           {"  schemas:\n    JobID:", "  schemas:\n    Unused: { type: string }\n    JobID:"},
		"no-invalid-media-type-examples": {"value: { password: angryMonkey }", "value: { word: angryMonkey }"},
		"security-defined":               {"security: []", "x-security: []"},
		"operation-description":          {"      description: What this server is, and whether a stop was asked for.\n", ""},
		"response-mime-type":             {"        application/problem+json:", "        text/plain:"},
	} {
		if out, err := lint(mutant(t, m.before, m.after)); err == nil || !regexp.MustCompile(` error +`+rule+` `).MatchString(out) {
			t.Errorf("%s is not found: %v:\n%s", rule, err, out)
		}
	}
}
