package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/api"
	"github.com/hashd-project/hashd/v2/internal/contracttest"
	"github.com/hashd-project/hashd/v2/internal/needs"
)

// TestSchemathesis has Schemathesis make requests of the contract, valid and not, follow its links
// from answer to request, and judge the answers with all its checks.
func TestSchemathesis(t *testing.T) {
	t.Parallel()
	i, key := keyed(t, "--delay=200ms", "--max-wait=2s") // it does not wait for answers as long as examples would have it
	r := schemathesis(t, i, api.Contract(), key)
	if r.code != 0 || !strings.Contains(r.output, "No issues found") {
		t.Errorf("exit code %d:\n%s", r.code, r.output)
	}
	for _, phase := range []string{"Examples", "Coverage", "Fuzzing", "Stateful"} {
		if !strings.Contains(r.output, "✅ "+phase) {
			t.Errorf("phase %s did not run:\n%s", phase, r.output)
		}
	}
	// The phase of links ends early where a job that was pending is done when a request is repeated.
	for seed := 5; len(r.unfollowed(declaredLinks(t))) > 0 && seed < 9; seed++ {
		more := schemathesis(t, i, api.Contract(), key, "--phases=stateful", fmt.Sprint("--seed=", seed))
		if more.code != 0 {
			t.Errorf("exit code %d:\n%s", more.code, more.output)
		}
		for link, n := range more.followed {
			r.followed[link] += n
		}
	}
	t.Logf("links followed: %v", r.followed)
	if links := r.unfollowed(declaredLinks(t)); len(links) > 0 {
		t.Errorf("not followed: %q:\n%s", links, r.output)
	}
	if log := i.stderr.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the server logs an error:\n%s", log)
	}
	i.stop(t)
}

// keyed starts a server that asks for keys, and returns the flag that has Schemathesis show one.
func keyed(t *testing.T, args ...string) (i *instance, flag string) {
	t.Helper()
	keys := newKeysFile(t)
	token := keys.add(t, "schemathesis")
	return start(t, append(args, "--api-keys="+string(keys))...), "--header=Authorization: Bearer " + token
}

// Where contract and server differ in one line, Schemathesis says so.
func TestSchemathesisFinds(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		old, new string
		flags    []string
		want     string
	}{
		"status": {
			"\"202\":\n          description: Accepted, all", "\"201\":\n          description: Accepted, all",
			[]string{"--include-operation-id=submitBatch", "--phases=examples"},
			"Undocumented status code",
		},
		"member of an answer": {
			"required: [id, status, algorithm]", "required: [id, status, algorithm, tenant]",
			[]string{"--include-operation-id=submitHash", "--phases=examples"},
			"Response violates schema",
		},
		"type of an answer": {
			"application/json:\n              schema:\n                $ref: \"#/components/schemas/Stats\"",
			"text/plain:\n              schema:\n                $ref: \"#/components/schemas/Stats\"",
			[]string{"--include-operation-id=getStats", "--phases=fuzzing"},
			"Undocumented Content-Type",
		},
		"header of an answer": {
			"minimum: 1, examples: [5] }", "minimum: 100 }",
			[]string{"--include-operation-id=submitBatch", "--phases=examples"},
			"Response header does not conform to the schema",
		},
		"more than the server takes": {
			"maxLength: 1024\n          description: The secret,", "maxLength: 1025\n          description: The secret,",
			[]string{"--include-operation-id=submitHash", "--phases=coverage"},
			"Schema-valid request rejected",
		},
		"less than the server takes": {
			"minLength: 1\n          maxLength: 1024\n          description: The secret,", "minLength: 2\n          maxLength: 1024\n          description: The secret,",
			[]string{"--include-operation-id=submitHash", "--phases=coverage"},
			"Schema-violating request accepted",
		},
		"link to another value": {
			"parameters: { id: $response.body#/id }", "parameters: { id: $response.body#/due }",
			[]string{"--include-operation-id=submitHash", "--include-operation-id=getHash", "--phases=stateful"},
			"Schema-valid request rejected",
		},
	} {
		i, key := keyed(t, "--delay=200ms") // a new one, which has seen no idempotency key
		r := schemathesis(t, i, mutant(t, m.old, m.new), append(m.flags, key)...)
		if r.code != 1 || !strings.Contains(r.output, m.want) {
			t.Errorf("%s: exit code %d, want 1 and %q:\n%s", name, r.code, m.want, r.output)
		}
		i.stop(t)
	}
}

// A link that leads nowhere is no failure to Schemathesis, which says so and goes on; it is to us.
func TestUnfollowedLinkIsFound(t *testing.T) {
	t.Parallel()
	i, key := keyed(t, "--delay=200ms")
	r := schemathesis(t, i, mutant(t, "{ id: $response.body#/id }", "{ id: $response.body#/job }"),
		key, "--include-operation-id=submitHash", "--include-operation-id=getHash", "--phases=stateful")
	const link = "POST /hash -> [202] getHash -> GET /hash/{id}"
	if links := r.unfollowed(declaredLinks(t)); !slices.Contains(links, link) || !strings.Contains(r.output, "Could not resolve parameter `id`") {
		t.Errorf("not followed: %q, want %s among them:\n%s", links, link, r.output)
	}
	i.stop(t)
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

// declaredLinks are the contract's links, named as Schemathesis does.
func declaredLinks(t *testing.T) (list []string) {
	t.Helper()
	doc, _, err := contracttest.Load()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{} // of operations, by their ids
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			names[op.OperationID] = method + " " + path
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for name, link := range response.Value.Links {
					list = append(list, fmt.Sprintf("%s %s -> [%s] %s -> %s", method, path, status, name, names[link.Value.OperationID]))
				}
			}
		}
	}
	if len(list) == 0 {
		t.Error("the contract declares no links")
	}
	return list
}

// findings are what a run of Schemathesis left.
type findings struct {
	code     int
	output   string
	followed map[string]int // how often each link was
}

// unfollowed returns those of the links that were not followed.
func (f findings) unfollowed(links []string) []string {
	return slices.DeleteFunc(links, func(link string) bool { return f.followed[link] > 0 })
}

// schemathesis runs Schemathesis on the server as .ci/schemathesis.toml has it and with these flags.
func schemathesis(t *testing.T, i *instance, contract string, flags ...string) findings {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, ".cache", "venv", "bin", "st")
	if _, err := os.Stat(program); err != nil {
		needs.Missing(t, "no Schemathesis: make test-checks installs it")
	}
	dir := t.TempDir()
	// A status that the contract does not list is a fault of ours, though clients are told what it would look like.
	listed := regexp.MustCompile(`(?m)^ +default: \{ \$ref: .*\n`).ReplaceAllString(contract, "")
	if err := os.WriteFile(filepath.Join(dir, "openapi.yaml"), []byte(listed), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--config-file", filepath.Join(root, ".ci", "schemathesis.toml"),
		"run", "openapi.yaml", "--url=http://" + i.address, "--no-color", "--report=ndjson", "--report-ndjson-path=events",
	}, flags...)...)
	cmd.Dir = dir
	// Nothing else: a proxy in the environment would be used even for loopback.
	cmd.Env = []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1",
		"SCHEMATHESIS_HOOKS=" + filepath.Join(root, ".ci", "schemathesis_hooks.py"),
	}
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return findings{cmd.ProcessState.ExitCode(), string(out), followedLinks(t, filepath.Join(dir, "events"))}
}

// followedLinks counts the requests that Schemathesis made by following a link, by the link.
func followedLinks(t *testing.T, events string) map[string]int {
	t.Helper()
	file, err := os.Open(events)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	followed := map[string]int{}
	for d := json.NewDecoder(file); ; {
		var event struct {
			ScenarioFinished struct {
				Recorder struct {
					Cases map[string]struct {
						Transition struct{ ID string }
						Applied    bool `json:"is_transition_applied"`
					}
				}
			}
		}
		if err := d.Decode(&event); err == io.EOF {
			return followed
		} else if err != nil {
			t.Fatal(err)
		}
		for _, c := range event.ScenarioFinished.Recorder.Cases {
			if c.Applied {
				followed[c.Transition.ID]++
			}
		}
	}
}
