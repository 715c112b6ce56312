package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oapi-codegen/oapi-codegen/v2/pkg/codegen"
	"github.com/oapi-codegen/oapi-codegen/v2/pkg/util"
	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// thingsContract is of all that the templates can read.
const thingsContract = "templates/testdata/things.yaml"

// generator makes Go code of contracts as make generate makes that of ours.
type generator struct {
	*testing.T
	config  codegen.Configuration
	overlay string            // a file
	files   map[string]string // of go's -overlay: what is generated, by where it stands for the compiler
	root    string
}

func newGenerator(t *testing.T) *generator {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{T: t, files: map[string]string{}, root: root, overlay: filepath.Join(t.TempDir(), "overlay.yaml")}
	text, err := os.ReadFile("server.cfg.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &g.config); err != nil {
		t.Fatal(err)
	}
	for name, file := range g.config.OutputOptions.UserTemplates {
		g.config.OutputOptions.UserTemplates[name] = filepath.Join(root, file)
	}
	g.write(g.overlay, securityOverlay(t))
	return g
}

func (g *generator) write(file, text string) {
	g.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		g.Fatal(err)
	}
}

// securityOverlay is the part of the server's overlay that is for any contract.
func securityOverlay(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("server.overlay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var overlay map[string]any
	if err := yaml.Unmarshal(text, &overlay); err != nil {
		t.Fatal(err)
	}
	var actions []any
	for _, a := range overlay["actions"].([]any) {
		if target := a.(map[string]any)["target"].(string); target == "$.components" || strings.HasPrefix(target, "$.components.securitySchemes") || strings.HasPrefix(target, "$.paths") {
			actions = append(actions, a)
		}
	}
	if len(actions) != 5 {
		t.Fatalf("%d actions for any contract, want 5", len(actions))
	}
	overlay["actions"] = actions
	out, err := yaml.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// generate makes a package of the contract, in a folder of the module where the compiler finds it and nobody
// else does.
func (g *generator) generate(contract, folder string) error {
	g.Helper()
	for name, options := range map[string]codegen.GenerateOptions{
		"models": {Models: true}, "echo4": {EchoServer: true, Strict: true}, "echo5": {Echo5Server: true, Strict: true},
	} {
		doc, err := util.LoadSwaggerWithOverlay(contract, util.LoadSwaggerWithOverlayOpts{Path: g.overlay, Strict: true})
		if err != nil {
			return err
		}
		config := g.config
		config.Generate = options
		config.PackageName = filepath.Base(folder)
		code, err := codegen.Generate(doc, config)
		if err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		file := filepath.Join(g.TempDir(), name+".go")
		g.write(file, code)
		g.files[filepath.Join(g.root, folder, name+".gen.go")] = file
	}
	return nil
}

// run runs go with what was generated.
func (g *generator) run(command string, args ...string) (string, error) {
	g.Helper()
	text, err := json.Marshal(map[string]any{"Replace": g.files})
	if err != nil {
		g.Fatal(err)
	}
	overlay := filepath.Join(g.TempDir(), "go.json")
	g.write(overlay, string(text))
	cmd := exec.CommandContext(g.Context(), "go", append([]string{command, "-overlay", overlay}, args...)...)
	cmd.Dir = g.root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// What the templates can read is read as kin-openapi understands it. The tests are in the folder of the
// generated package.
func TestTemplates(t *testing.T) {
	needs.Processes(t)
	g := newGenerator(t)
	const folder = "api/templates/testdata/things"
	if err := g.generate(thingsContract, folder); err != nil {
		t.Fatal(err)
	}
	for _, tags := range []string{"", "echo5"} {
		if out, err := g.run("test", "-count=1", "-tags="+tags, "./"+folder); err != nil {
			t.Errorf("tags %q: %v\n%s", tags, err, out)
		}
	}
}
